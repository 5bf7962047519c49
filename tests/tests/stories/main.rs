//! Stories: what a person would see, in real processes. One story per file.

mod agent_killed_leaves_no_process_behind;
mod agent_killed_twenty_times_loses_nothing_completed;
mod archive_is_told_downloaded_and_cleared;
mod archive_killed_while_it_is_built_and_cleared;
mod backup_brings_a_lost_box_back;
mod bad_config_is_explained;
mod broker_of_ones_own;
mod browser_at_the_site;
mod browser_far_away;
mod footage_moves_to_the_cold_disk;
mod foreign_client_lists_and_downloads;
mod foreign_tokens_are_refused;
mod full_budget_evicts_the_oldest;
mod full_disk_evicts_oldest_unlocked;
mod hostile_library_gets_nowhere;
mod people_go_before_the_background;
mod probe_explains_a_failure;
mod recorder_torture_short;
mod recorder_without_the_sdk;
mod relay_away_then_every_report_once;
mod rotated_key_survives_a_kill;
mod second_disk_goes_and_comes_back;
mod whole_job_end_to_end;
mod worker_crash_costs_one_recorder;
mod wrong_password_is_tried_once;
