export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Answer to `GET /ready/recording`. */
        Able: {
            /** @description Whether the vendor's library can be used. */
            library: boolean;
            /** @description Whether a recorder is logged in. */
            recorder: boolean;
            /** @description Whether reports reach a relay, and it reaches this box. */
            relay: boolean;
            /** @description `ok`. */
            status: string;
        };
        /** @description One entry: somebody saw something. */
        Access: {
            /** @description `download`, `playback` or `live`. */
            action: string;
            /** @description Address on the site's network. */
            address?: string | null;
            archive_id?: components["schemas"]["ArchiveId"] | null;
            /** @description When it was over. */
            at: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Bytes sent.
             */
            bytes: number;
            camera_id?: components["schemas"]["CameraId"] | null;
            from_utc?: components["schemas"]["UtcTime"] | null;
            recording_id?: components["schemas"]["RecordingId"] | null;
            /** @description Finds the request in the journal, the same at the relay. */
            request_id: string;
            to_utc?: components["schemas"]["UtcTime"] | null;
            /** @description Login name. */
            username: string;
            /** @description `lan`, or `relay` for somebody far away. */
            via: string;
        };
        /** @description Which disk is meant, once more. */
        AdoptRequest: {
            /** @description The end of its number, as `confirm` of the disk asks for it. */
            confirm: string;
            /** @description `seen` of the disk as the person was shown it. */
            seen: string;
        };
        /** @description How far an adoption is. */
        Adoption: {
            /** @enum {string} */
            state: "none";
        } | {
            /** @description Which. */
            id: string;
            /** @enum {string} */
            state: "ordered";
        } | {
            /** @description Since when. */
            at: components["schemas"]["UtcTime"];
            /** @description Which. */
            id: string;
            /** @enum {string} */
            state: "good";
        } | {
            /** @description When. */
            at: components["schemas"]["UtcTime"];
            /** @description Which. */
            id: string;
            /** @description Why. */
            reason: string;
            /** @enum {string} */
            state: "refused";
        } | {
            /** @description When. */
            at: components["schemas"]["UtcTime"];
            /** @description Which. */
            id: string;
            /** @description Why. */
            reason: string;
            /** @enum {string} */
            state: "failed";
        };
        /** @description Something that people were told of and that is not over. */
        Alarm: {
            /** @description What is wrong and what to do. */
            message: string;
            /** @description Stable name of the rule, as in the alert (`retention_at_risk`, `storage_full`). */
            rule: string;
            /** @description How urgent. */
            severity: components["schemas"]["Severity"];
            /** @description Since when. */
            since: components["schemas"]["UtcTime"];
            /** @description Name of the camera or volume. */
            subject: string;
        };
        /** @description Answer to `GET /health` and `GET /ready`. */
        Alive: {
            /** @description `ok`. */
            status: string;
            /** @description Program version. */
            version: string;
        };
        /**
         * @description An appliance: the first 80 bits of the SHA-256 of its public key's SPKI, in lower-case base32 (16 characters).
         *
         *     Being derived from the key it can be neither chosen nor taken over; it is the certificate's CN, the MQTT user name
         *     and a level of every topic.
         */
        ApplianceId: string;
        /** @description An archive. */
        Archive: {
            /** @description Who asked for it. */
            asked_by?: string | null;
            /**
             * Format: int64
             * @description Size of the file; about that while it is built.
             */
            bytes: number;
            /** @description Which cameras; null: all. */
            cameras?: components["schemas"]["CameraId"][] | null;
            cleared_at?: components["schemas"]["UtcTime"] | null;
            /**
             * Format: int64
             * @description Recordings that left when it was cleared.
             */
            cleared_recordings: number;
            clears?: components["schemas"]["ArchiveClears"] | null;
            /** @description When it was asked for. */
            created_at: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Of those, recordings whose bytes are no longer those that were kept: they are in it as they are now.
             */
            damaged: number;
            /** @description SHA-256 of the file (hex). */
            digest?: string | null;
            downloaded_at?: components["schemas"]["UtcTime"] | null;
            /**
             * Format: int32
             * @description How much of the file was delivered to people, 0 to 100; 100 means every byte.
             */
            downloaded_percent: number;
            /** @description Why it could not be made. */
            failure?: string | null;
            /** @description Name of the file. */
            file_name?: string | null;
            /** @description Start of the range. Recordings are packed whole, so what reaches into the range begins a little before it. */
            from_utc: components["schemas"]["UtcTime"];
            /** @description Id. */
            id: components["schemas"]["ArchiveId"];
            /**
             * Format: int64
             * @description Recordings of the range that could not be read and are not in it.
             */
            left_out: number;
            /**
             * Format: int64
             * @description Recordings that stayed then because they were locked.
             */
            locked_recordings: number;
            /** @description The e-mail about it. */
            mail: components["schemas"]["ArchiveMail"];
            /** @description Why it is there. */
            origin: components["schemas"]["ArchiveOrigin"];
            /**
             * Format: int32
             * @description How far the building is, 0 to 100.
             */
            progress_percent: number;
            ready_at?: components["schemas"]["UtcTime"] | null;
            /**
             * Format: int64
             * @description Recordings in it.
             */
            recordings: number;
            /** @description What it is. */
            state: components["schemas"]["ArchiveState"];
            /** @description End of the range (exclusive). */
            to_utc: components["schemas"]["UtcTime"];
            /** @description Name of the volume that it lies on. */
            volume?: string | null;
        };
        /** @description Body of `POST /archives/{id}/clear`; an empty object clears what was downloaded. */
        ArchiveClearRequest: {
            /** @description Clear it although not every byte of it was delivered. */
            override?: boolean;
        };
        /** @description What clearing an archive would delete, as things stand now. */
        ArchiveClears: {
            /**
             * Format: int64
             * @description Their bytes; those of the archive itself come on top.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Recordings that would stay because they are locked.
             */
            locked: number;
            /**
             * Format: int64
             * @description Recordings that would leave.
             */
            recordings: number;
        };
        /**
         * Format: uuid
         * @description A ZIP of recordings of a date range.
         */
        ArchiveId: string;
        /** @description The e-mail about an archive. */
        ArchiveMail: {
            /**
             * Format: int32
             * @description Attempts so far.
             */
            attempts: number;
            /** @description Why the last attempt failed. */
            failure?: string | null;
            next_attempt_at?: components["schemas"]["UtcTime"] | null;
            /** @description How far. */
            state: components["schemas"]["MailState"];
        };
        /**
         * @description Why there is an archive.
         * @enum {string}
         */
        ArchiveOrigin: "weekly" | "asked";
        /** @description Body of `POST /archives`. */
        ArchiveRequest: {
            /** @description Which cameras; left out: all. */
            cameras?: components["schemas"]["CameraId"][] | null;
            /** @description Start of the range. */
            from: components["schemas"]["UtcTime"];
            /** @description End of the range (exclusive). */
            to: components["schemas"]["UtcTime"];
        };
        /**
         * @description What an archive is.
         * @enum {string}
         */
        ArchiveState: "building" | "ready" | "downloaded" | "clearing" | "cleared" | "failed";
        /** @description A moment of a camera that a person marked. It protects the recordings that cover it, also those fetched later. */
        Bookmark: {
            /** @description The moment, true time. */
            at_utc: components["schemas"]["UtcTime"];
            /** @description Of which camera. */
            camera_id: components["schemas"]["CameraId"];
            /** @description When it was made. */
            created_at: components["schemas"]["UtcTime"];
            /** @description Id. */
            id: components["schemas"]["BookmarkId"];
            /** @description Login name of who made it. */
            made_by: string;
            /** @description What a person wrote; may be empty. */
            note: string;
        };
        /**
         * Format: uuid
         * @description A bookmark.
         */
        BookmarkId: string;
        /** @description Body of `POST /bookmarks`. */
        BookmarkInput: {
            /** @description The moment, true time. */
            at_utc: components["schemas"]["UtcTime"];
            /** @description Of which camera. */
            camera_id: components["schemas"]["CameraId"];
            /** @description At most 500 characters. */
            note?: string;
        };
        /** @description The box's own clock, by which recorders' clocks are judged: `GET /system/clock` on the agent. */
        BoxClock: {
            /** @description It can be set by `POST /system/clock`: the box is of the appliance image, and no time server has set it. */
            can_be_set: boolean;
            /** @description Whether a time server keeps it; null where that cannot be told. */
            follows_server?: boolean | null;
            /** @description What it shows. */
            now: components["schemas"]["UtcTime"];
            /** @description Somebody has just set it, and the box has not carried that out yet. */
            ordered: boolean;
        };
        /** @description A disk in this box. */
        BoxDisk: {
            /**
             * Format: int64
             * @description Its size.
             */
            bytes: number;
            confirm?: components["schemas"]["Confirmation"] | null;
            /** @description What is on it. */
            contents: components["schemas"]["DiskContent"][];
            /** @description What it is known by wherever it is plugged in; null for one without a number. */
            id?: string | null;
            /** @description What that means, in a sentence. */
            message: string;
            /** @description What its maker calls it; may be empty. */
            model: string;
            /** @description As the kernel calls it now, such as `sdb`. */
            name: string;
            /** @description It may be pulled out while the box runs. */
            removable: boolean;
            /** @description It turns. */
            rotational: boolean;
            /** @description Changes with what is on it: who adopts the disk sends it back. */
            seen: string;
            /** @description Its serial number; may be empty. */
            serial: string;
            /** @description What it may be used for. */
            state: components["schemas"]["DiskState"];
            /** @description How it is connected: `sata`, `nvme`, `usb`, …; may be empty. */
            transport: string;
            /** @description The volume that it was adopted as. */
            volume?: string | null;
        };
        /** @description The disks in this box. */
        BoxDisks: {
            /** @description The disk that is being made ready, or what became of the last one. */
            adoption: components["schemas"]["Adoption"];
            /** @description They, in the order in which the box found them. */
            items: components["schemas"]["BoxDisk"][];
            /** @description Whether this box tells of its disks and adopts them. Only one of the appliance image does. */
            offered: boolean;
        };
        /** @description What became of one of them. */
        BulkItem: {
            /** @description Which. */
            id: components["schemas"]["RecorderId"];
            /** @description Why there is no test, in words. */
            message?: string | null;
            /** @description Whether it went well. */
            ok: boolean;
            test?: components["schemas"]["RecorderTest"] | null;
        };
        /** @description A camera as the API shows it. */
        Camera: {
            /**
             * Format: int32
             * @description Channel number as the recorder counts (1.. or 33..).
             */
            channel: number;
            /** @description Whether its footage is fetched. Footage that is held is kept and served either way. */
            enabled: boolean;
            /**
             * Format: int64
             * @description Bytes held.
             */
            held_bytes: number;
            /**
             * Format: int64
             * @description Recordings held (`completed`).
             */
            held_recordings: number;
            /** @description Id. */
            id: components["schemas"]["CameraId"];
            /** @description Name, from the recorder or given by people. */
            name: string;
            newest_utc?: components["schemas"]["UtcTime"] | null;
            oldest_utc?: components["schemas"]["UtcTime"] | null;
            /** @description Its recorder. */
            recorder_id: components["schemas"]["RecorderId"];
            /** @description Connected or not. */
            state: components["schemas"]["CameraState"];
            /** @description Codec of its newest recording: `h264`, `hevc`. */
            video_codec?: string | null;
        };
        /**
         * @description What to do with several cameras.
         * @enum {string}
         */
        CameraAction: "enable" | "disable";
        /**
         * Format: uuid
         * @description A camera: a channel of a recorder, or a URL.
         */
        CameraId: string;
        /** @description Body of `PUT /cameras/{id}`; what is left out stays. */
        CameraInput: {
            /** @description Whether footage is fetched. What is held is kept and served either way. */
            enabled?: boolean | null;
            /** @description Name; once given, the recorder's name for the channel no longer replaces it. */
            name?: string | null;
        };
        /** @description A camera's own limits; null takes that of the configuration. */
        CameraLimits: {
            /**
             * Format: int32
             * @description Promised: younger footage stays, unless the disk itself has no room left.
             */
            least_days?: number | null;
            /**
             * Format: int64
             * @description Most bytes of it.
             */
            most_bytes?: number | null;
            /**
             * Format: int32
             * @description Older footage leaves.
             */
            most_days?: number | null;
        };
        /** @description How long the footage of one camera stays. */
        CameraRetention: {
            /** @description What the rate rests on. */
            basis: components["schemas"]["RateBasis"];
            breaks_on?: components["schemas"]["UtcTime"] | null;
            /**
             * Format: int64
             * @description Bytes of a day's footage; 0 while nothing comes.
             */
            bytes_per_day: number;
            /** @description Which. */
            camera_id: components["schemas"]["CameraId"];
            /**
             * Format: double
             * @description How many days are kept at this rate once the ring has turned around; null: more than is reckoned, or nothing
             *     comes.
             */
            days?: number | null;
            /**
             * Format: double
             * @description The same if nothing were protected.
             */
            days_without_locks?: number | null;
            /**
             * Format: int64
             * @description Bytes held.
             */
            held_bytes: number;
            /**
             * Format: double
             * @description How far back unprotected footage reaches now, in days.
             */
            held_days: number;
            /**
             * Format: double
             * @description Promised: younger footage stays. 0: nothing is promised.
             */
            least_days: number;
            /**
             * Format: int64
             * @description Of that, protected.
             */
            locked_bytes: number;
            /**
             * Format: int64
             * @description Most bytes of it; null: no limit.
             */
            most_bytes?: number | null;
            /**
             * Format: double
             * @description Older footage leaves; null: no limit.
             */
            most_days?: number | null;
            /** @description Its name. */
            name: string;
            /** @description In words. */
            summary: string;
        };
        /**
         * @description What a camera does now.
         * @enum {string}
         */
        CameraState: "unknown" | "online" | "offline";
        /** @description Body of `POST /cameras/bulk`. */
        CamerasBulk: {
            /** @description What to do. */
            action: components["schemas"]["CameraAction"];
            /** @description With which cameras. */
            ids: components["schemas"]["CameraId"][];
        };
        /** @description Data of an event `changed`. */
        Changed: {
            /** @description Which one; null when many changed, or some changes were missed: read all of the kind anew. */
            id?: string | null;
            /** @description `recorder`, `camera`, `recording`, `job`, `bookmark`, `archive` or `volume` (by its name). */
            kind: string;
        };
        /** @description The appliance's claim, as `GET /system` shows it to who may see it. */
        Claim: {
            /** @description The code to type at the relay (`ABCD-1234`), while waiting; only to a logged-in admin. */
            code?: string | null;
            code_expires_at?: components["schemas"]["UtcTime"] | null;
            /** @description Whether the relay is reached now (tunnel attached). */
            connected: boolean;
            /** @description Last failure in words. */
            failure?: string | null;
            /** @description The relay's address. */
            relay_url?: string | null;
            /** @description Name of the site, once claimed. */
            site_name?: string | null;
            /** @description How far. */
            state: components["schemas"]["ClaimState"];
        };
        /**
         * @description How far an appliance has joined an organisation.
         * @enum {string}
         */
        ClaimState: "no_relay" | "waiting" | "claimed";
        /** @description A camera over a range: answer to `GET /cameras/{id}/gaps`. */
        Completeness: {
            /** @description Of what is held: what lies on a disk that is not there now, and can be played once it is back. */
            away: components["schemas"]["Stretch"][];
            /** @description Which camera. */
            camera_id: components["schemas"]["CameraId"];
            /** @description From. */
            from_utc: components["schemas"]["UtcTime"];
            /** @description Everything else, oldest first, each with its cause. */
            gaps: components["schemas"]["Gap"][];
            /** @description What is held, oldest first. */
            held: components["schemas"]["Stretch"][];
            /**
             * Format: int64
             * @description Time that is held.
             */
            held_ms: number;
            /** @description What the recorder is known to have recorded, oldest first. */
            recorded: components["schemas"]["Stretch"][];
            /**
             * Format: int64
             * @description Time that the recorder is known to have recorded.
             */
            recorded_ms: number;
            risk?: components["schemas"]["OverwriteRisk"] | null;
            /** @description To; never later than now. */
            to_utc: components["schemas"]["UtcTime"];
            /** @description As a whole. */
            verdict: components["schemas"]["Verdict"];
        };
        /** @description What a person types to confirm which disk is meant. */
        Confirmation: {
            /**
             * Format: int32
             * @description So many characters.
             */
            chars: number;
            /** @description The end of what. */
            of: components["schemas"]["NumberKind"];
        };
        /** @description Answer of `GET /system/custody`. */
        Custody: {
            /** @description This appliance; its id follows from its key. */
            appliance: components["schemas"]["ApplianceId"];
            /** @description SHA-256 (hex) of its public key: what `edge-agent verify --key` takes. */
            key_sha256: string;
            /** @description The log of each volume that has one. */
            logs: components["schemas"]["CustodyLog"][];
        };
        /** @description Where a log ends. */
        CustodyLog: {
            /** @description When that was written. */
            at: components["schemas"]["UtcTime"];
            /** @description Hash (hex) of the newest one: what `edge-agent verify --head` takes. */
            head: string;
            /**
             * Format: int64
             * @description Lines.
             */
            lines: number;
            /** @description Name of its volume. */
            volume: string;
        };
        /** @description What is wrong with a recording that is kept all the same. */
        Defect: {
            /** @description Which kind. */
            kind: components["schemas"]["DefectKind"];
            /** @description In words, with numbers. */
            message: string;
        };
        /**
         * @description Kinds of defect.
         * @enum {string}
         */
        DefectKind: "short" | "size_differs" | "undecodable" | "encrypted";
        /** @description A disk below a volume, as it tells of itself (SMART, NVMe health); what it does not tell is null. */
        Disk: {
            /** @description Name in the kernel, such as `sda` or `nvme0n1`. */
            device: string;
            /** @description What that means. */
            health: components["schemas"]["DiskHealth"];
            /**
             * Format: int64
             * @description Errors of the medium that an NVMe disk could not mend.
             */
            media_errors?: number | null;
            /** @description Why, in words; or why nothing is known. */
            message: string;
            /** @description Model. */
            model?: string | null;
            /**
             * Format: int64
             * @description Sectors that cannot be read now.
             */
            pending_sectors?: number | null;
            /**
             * Format: int64
             * @description Hours with power.
             */
            power_on_hours?: number | null;
            /** @description When it was asked. */
            read_at: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Sectors that were replaced by spare ones.
             */
            reallocated_sectors?: number | null;
            /** @description Serial number. */
            serial?: string | null;
            /**
             * Format: int64
             * @description °C.
             */
            temperature_c?: number | null;
            /**
             * Format: int64
             * @description Sectors that were lost.
             */
            uncorrectable_sectors?: number | null;
            /**
             * Format: int64
             * @description Per cent used of what its maker promised to be writable; may exceed 100.
             */
            wear_percent?: number | null;
        };
        /** @description What is on a disk: a partition, or the whole of it where it has none. */
        DiskContent: {
            /**
             * Format: int64
             * @description Its size.
             */
            bytes: number;
            /** @description `ext4`, `ntfs`, …; empty where it is not known. */
            file_system: string;
            /** @description What somebody has called it; may be empty. */
            label: string;
            /** @description The folder where it is mounted; null where it is not. */
            mounted_at?: string | null;
            /** @description As the kernel calls it now, such as `sdb1`. */
            name: string;
        };
        /**
         * @description How a disk fares.
         * @enum {string}
         */
        DiskHealth: "unknown" | "good" | "ageing" | "failing";
        /**
         * @description What a disk may be used for, as the box judges it.
         * @enum {string}
         */
        DiskState: "system" | "footage" | "free" | "has_data" | "in_use" | "refused";
        /** @description Answer to `GET` and `PUT /system/downloads`: what holds for each recorder. */
        DownloadSettings: {
            /** @description The zone of the appliance, where it has a name. */
            appliance_zone?: string | null;
            /**
             * Format: int32
             * @description The same for what nobody asked for; null: as `limit_kbps`.
             */
            background_limit_kbps?: number | null;
            /**
             * Format: int32
             * @description Bandwidth of all downloads from one recorder together, in kbit/s; null: as much as it gives.
             */
            limit_kbps?: number | null;
            /**
             * @description Downloads at once from one recorder, if it gives so many; set in the configuration file. Each gets an equal share
             *     of the bandwidth.
             */
            per_recorder: number;
            /** @description Time of day in which what nobody asked for is downloaded, `22:00-06:00`; null: always. */
            window?: string | null;
            /** @description The zone that it is meant in; null: that of the appliance. */
            zone?: string | null;
        };
        /** @description Body of `PUT /system/downloads`. It replaces all of what was chosen before, and goes before the configuration file. */
        DownloadSettingsInput: {
            /**
             * Format: int32
             * @description The same for what nobody asked for; null: as `limit_kbps`.
             */
            background_limit_kbps?: number | null;
            /**
             * Format: int32
             * @description Bandwidth of all downloads from one recorder together, in kbit/s; null: as much as it gives.
             */
            limit_kbps?: number | null;
            /** @description Time of day in which what nobody asked for is downloaded, `22:00-06:00`; null: always. */
            window?: string | null;
            /** @description The zone that it is meant in, `Europe/Berlin`; null: that of the appliance. */
            zone?: string | null;
        };
        /**
         * @description A way to talk to a recorder.
         * @enum {string}
         */
        DriverKind: "sdk" | "isapi";
        /** @description What happened and what to do, for a program (`code`) and for a person (`message`). */
        ErrorBody: {
            /** @description Stable; a client may act on it. */
            code: components["schemas"]["ErrorCode"];
            /** @description Fields at fault or other facts, where there are any. */
            details?: Record<string, never>;
            /** @description What happened and what to do, in a sentence. */
            message: string;
            /** @description Finds the request in the journal. */
            requestId: string;
            /** @description When. */
            timestamp: components["schemas"]["UtcTime"];
        };
        /**
         * @description Stable error codes (spec E). Each belongs to one HTTP status.
         * @enum {string}
         */
        ErrorCode: "AUTH_TOKEN_INVALID" | "AUTH_TOKEN_MISSING" | "AUTH_CREDENTIALS_INVALID" | "AUTH_INSUFFICIENT_PERMISSIONS" | "AUTH_PASSWORD_CHANGE_REQUIRED" | "VALIDATION_FAILED" | "CAMERA_NOT_FOUND" | "RECORDER_NOT_FOUND" | "RECORDING_NOT_FOUND" | "SITE_NOT_FOUND" | "BOOKMARK_NOT_FOUND" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "CONFLICT" | "LOCK_LIMIT_REACHED" | "FOOTAGE_GONE" | "REPORTS_GONE" | "PRECONDITION_FAILED" | "BODY_TOO_LARGE" | "RANGE_NOT_SATISFIABLE" | "RATE_LIMIT_EXCEEDED" | "CONCURRENT_LIMIT_EXCEEDED" | "RECORDER_FAILED" | "STREAM_NODE_UNAVAILABLE" | "SITE_OFFLINE" | "RECORDING_FAILED" | "STORAGE_FULL" | "UNAVAILABLE" | "INTERNAL";
        /** @description `{"success": false, "error": {…}}`. */
        ErrorResponse: {
            /** @description What happened. */
            error: components["schemas"]["ErrorBody"];
            /** @description Always false. */
            success: boolean;
        };
        /**
         * @description Why footage left.
         * @enum {string}
         */
        EvictionCause: "retention" | "pressure" | "deleted" | "archive_cleared";
        /** @description The whole examination: what `edge-agent doctor --json` prints, and the answer to `GET /system/doctor`. */
        Examination: {
            /** @description From the ground up. */
            parts: components["schemas"]["ExaminedPart"][];
            /** @description Version of the program that looked. */
            version: string;
        };
        /** @description What was found in one part of the box. */
        ExaminedPart: {
            /** @description In the order in which one would look. */
            findings: components["schemas"]["Finding"][];
            /** @description Which. */
            name: string;
        };
        /** @description One thing that was looked at. */
        Finding: {
            /** @description What was looked at: `clock`, `volume "main"`. */
            about: string;
            /** @description What to do, where there is something to do. */
            advice?: string | null;
            /** @description How it is. */
            level: components["schemas"]["FindingLevel"];
            /** @description What was seen. */
            seen: string;
        };
        /**
         * @description How much a finding matters.
         * @enum {string}
         */
        FindingLevel: "well" | "note" | "wrong";
        /** @description A device that answered. */
        FoundDevice: {
            /** @description Where its answer came from. */
            address: string;
            /** @description Its model, where it tells one. */
            model?: string | null;
            /** @description Its name, where it tells one. */
            name?: string | null;
            /**
             * Format: int32
             * @description Port of its web interface.
             */
            port: number;
        };
        /** @description A stretch that is not held. */
        Gap: {
            /** @description What to do, in a sentence; null when nothing is to be done or nothing helps. */
            advice?: string | null;
            /** @description Why. */
            cause: components["schemas"]["GapCause"];
            eviction_cause?: components["schemas"]["EvictionCause"] | null;
            /** @description First instant. */
            from_utc: components["schemas"]["UtcTime"];
            /** @description What happened, in a sentence. */
            message: string;
            /** @description The recorder's or the download's own words, where there are any. */
            reason?: string | null;
            /**
             * Format: int32
             * @description Recordings that the recorder had listed in it.
             */
            recordings: number;
            /** @description First instant after it. */
            to_utc: components["schemas"]["UtcTime"];
        };
        /**
         * @description Why a stretch is not held.
         * @enum {string}
         */
        GapCause: "not_recorded" | "clock_step" | "not_observed" | "recorder_unreachable" | "beyond_reach" | "overwritten_on_recorder" | "not_downloaded" | "failed" | "evicted" | "deleted" | "defect";
        /** @description Body of `POST /system/update/install`. */
        InstallRequest: {
            /** @description When. */
            when: components["schemas"]["InstallWhen"];
        };
        /**
         * @description When a bundle that waits is to be installed.
         * @enum {string}
         */
        InstallWhen: "now" | "window";
        /** @description What became of a change of the key. */
        KeyRotated: {
            /** @description Passwords that are sealed with the new key. */
            passwords: number;
        };
        /** @description A line of the list that is not taken. */
        ListProblem: {
            /** @description Counted from 1, the line of the columns included. */
            line: number;
            /** @description Why, in words. */
            message: string;
        };
        /** @description A recorder of the list, without its password. */
        ListedRecorder: {
            /** @description Host name or IP address. */
            address: string;
            /** @description How it is talked to. */
            driver: components["schemas"]["DriverKind"];
            /** @description Whether the agent will work with it. */
            enabled: boolean;
            /** @description Its line. */
            line: number;
            /** @description Name. */
            name: string;
            /**
             * Format: int32
             * @description TCP port.
             */
            port: number;
            /** @description Over HTTPS. */
            tls: boolean;
            /** @description Account on the device. */
            username: string;
        };
        /** @description How a live stream is doing. */
        LiveStreamHealth: {
            /**
             * Format: int64
             * @description Bits a second, lately.
             */
            bits_per_s: number;
            /** @description Which camera. */
            camera_id: components["schemas"]["CameraId"];
            /** @description Why it does not play, in words. */
            failure?: string | null;
            /**
             * Format: double
             * @description Pictures a second, lately.
             */
            frames_per_s: number;
            /**
             * Format: int32
             * @description Picture height; null until it plays.
             */
            height?: number | null;
            /**
             * Format: int64
             * @description How often its source had to be begun again.
             */
            restarts: number;
            /** @description When its first viewer came. */
            started_at: components["schemas"]["UtcTime"];
            /** @description `h264`, `hevc`; null until it plays. */
            video_codec?: string | null;
            /** @description Who watches now. */
            viewers: number;
            /**
             * Format: int32
             * @description Picture width; null until it plays.
             */
            width?: number | null;
        };
        /** @description Body of `POST /recordings/{id}/lock`; an empty object locks. */
        LockInput: {
            /** @description True protects from eviction, false no longer. */
            locked?: boolean;
        };
        /** @description What is protected from eviction, and how much of it may be. */
        Locks: {
            /**
             * Format: int64
             * @description Bookmarks, whether or not footage of their moment is held.
             */
            bookmarks: number;
            /**
             * Format: int64
             * @description Their bytes: room that the ring no longer has.
             */
            bytes: number;
            /**
             * Format: int64
             * @description Most bytes that may be protected; a lock or bookmark beyond that is refused.
             */
            max_bytes: number;
            /**
             * Format: int64
             * @description Held recordings that a lock or a bookmark protects.
             */
            recordings: number;
        };
        /**
         * Format: uuid
         * @description The identity of one outbox database: new after a claim, a reset or a restore.
         */
        LogId: string;
        /** @description Body of `POST /auth/login`. */
        LoginRequest: {
            /** @description Password. */
            password: string;
            /** @description Login name. */
            username: string;
        };
        /**
         * @description Answer to a login, a refresh or the first-run set-up. Browsers get the same as cookies
         *     (`hf_access`, `hf_refresh`: HttpOnly, SameSite=Strict; `hf_csrf`: readable, sent back as `X-CSRF-Token` on changes).
         */
        LoginResponse: {
            /** @description Send as `Authorization: Bearer …`. */
            access_token: string;
            /** @description Value for `X-CSRF-Token` where cookies are used. */
            csrf_token: string;
            /**
             * Format: int32
             * @description Seconds until the access token expires.
             */
            expires_in_s: number;
            /** @description Trade for a new pair at `POST /auth/refresh`; works once. */
            refresh_token: string;
            /** @description Who logged in. */
            user: components["schemas"]["Me"];
        };
        /**
         * @description How far the e-mail about an archive is.
         * @enum {string}
         */
        MailState: "none" | "waiting" | "sent" | "failed";
        /** @description Who is logged in. */
        Me: {
            /** @description Id. */
            id: components["schemas"]["UserId"];
            /** @description Nothing but changing the password is allowed until it is changed. */
            must_change_password: boolean;
            organisation_id?: components["schemas"]["OrganisationId"] | null;
            /** @description Role. */
            role: components["schemas"]["Role"];
            /** @description Login name (at the relay: e-mail address). */
            username: string;
        };
        /**
         * @description The numbers that stand on a disk's label.
         * @enum {string}
         */
        NumberKind: "serial" | "wwn";
        /**
         * Format: uuid
         * @description A tenant of the relay.
         */
        OrganisationId: string;
        /** @description Footage that a recorder is about to overwrite before it is fetched. */
        OverwriteRisk: {
            /** @description When the first of them will be gone, as far as can be told. */
            first_gone_utc: components["schemas"]["UtcTime"];
            /** @description Which recorder. */
            recorder_id: components["schemas"]["RecorderId"];
            /**
             * Format: int64
             * @description Recordings that are not fetched and will be gone within hours.
             */
            recordings: number;
            /** @description When this was worked out. */
            told_at: components["schemas"]["UtcTime"];
        };
        /** @description A page of a list. */
        Page_Access: {
            /** @description The items of this page. */
            items: {
                /** @description `download`, `playback` or `live`. */
                action: string;
                /** @description Address on the site's network. */
                address?: string | null;
                archive_id?: components["schemas"]["ArchiveId"] | null;
                /** @description When it was over. */
                at: components["schemas"]["UtcTime"];
                /**
                 * Format: int64
                 * @description Bytes sent.
                 */
                bytes: number;
                camera_id?: components["schemas"]["CameraId"] | null;
                from_utc?: components["schemas"]["UtcTime"] | null;
                recording_id?: components["schemas"]["RecordingId"] | null;
                /** @description Finds the request in the journal, the same at the relay. */
                request_id: string;
                to_utc?: components["schemas"]["UtcTime"] | null;
                /** @description Login name. */
                username: string;
                /** @description `lan`, or `relay` for somebody far away. */
                via: string;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_Archive: {
            /** @description The items of this page. */
            items: {
                /** @description Who asked for it. */
                asked_by?: string | null;
                /**
                 * Format: int64
                 * @description Size of the file; about that while it is built.
                 */
                bytes: number;
                /** @description Which cameras; null: all. */
                cameras?: components["schemas"]["CameraId"][] | null;
                cleared_at?: components["schemas"]["UtcTime"] | null;
                /**
                 * Format: int64
                 * @description Recordings that left when it was cleared.
                 */
                cleared_recordings: number;
                clears?: components["schemas"]["ArchiveClears"] | null;
                /** @description When it was asked for. */
                created_at: components["schemas"]["UtcTime"];
                /**
                 * Format: int64
                 * @description Of those, recordings whose bytes are no longer those that were kept: they are in it as they are now.
                 */
                damaged: number;
                /** @description SHA-256 of the file (hex). */
                digest?: string | null;
                downloaded_at?: components["schemas"]["UtcTime"] | null;
                /**
                 * Format: int32
                 * @description How much of the file was delivered to people, 0 to 100; 100 means every byte.
                 */
                downloaded_percent: number;
                /** @description Why it could not be made. */
                failure?: string | null;
                /** @description Name of the file. */
                file_name?: string | null;
                /** @description Start of the range. Recordings are packed whole, so what reaches into the range begins a little before it. */
                from_utc: components["schemas"]["UtcTime"];
                /** @description Id. */
                id: components["schemas"]["ArchiveId"];
                /**
                 * Format: int64
                 * @description Recordings of the range that could not be read and are not in it.
                 */
                left_out: number;
                /**
                 * Format: int64
                 * @description Recordings that stayed then because they were locked.
                 */
                locked_recordings: number;
                /** @description The e-mail about it. */
                mail: components["schemas"]["ArchiveMail"];
                /** @description Why it is there. */
                origin: components["schemas"]["ArchiveOrigin"];
                /**
                 * Format: int32
                 * @description How far the building is, 0 to 100.
                 */
                progress_percent: number;
                ready_at?: components["schemas"]["UtcTime"] | null;
                /**
                 * Format: int64
                 * @description Recordings in it.
                 */
                recordings: number;
                /** @description What it is. */
                state: components["schemas"]["ArchiveState"];
                /** @description End of the range (exclusive). */
                to_utc: components["schemas"]["UtcTime"];
                /** @description Name of the volume that it lies on. */
                volume?: string | null;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_Bookmark: {
            /** @description The items of this page. */
            items: {
                /** @description The moment, true time. */
                at_utc: components["schemas"]["UtcTime"];
                /** @description Of which camera. */
                camera_id: components["schemas"]["CameraId"];
                /** @description When it was made. */
                created_at: components["schemas"]["UtcTime"];
                /** @description Id. */
                id: components["schemas"]["BookmarkId"];
                /** @description Login name of who made it. */
                made_by: string;
                /** @description What a person wrote; may be empty. */
                note: string;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_Camera: {
            /** @description The items of this page. */
            items: {
                /**
                 * Format: int32
                 * @description Channel number as the recorder counts (1.. or 33..).
                 */
                channel: number;
                /** @description Whether its footage is fetched. Footage that is held is kept and served either way. */
                enabled: boolean;
                /**
                 * Format: int64
                 * @description Bytes held.
                 */
                held_bytes: number;
                /**
                 * Format: int64
                 * @description Recordings held (`completed`).
                 */
                held_recordings: number;
                /** @description Id. */
                id: components["schemas"]["CameraId"];
                /** @description Name, from the recorder or given by people. */
                name: string;
                newest_utc?: components["schemas"]["UtcTime"] | null;
                oldest_utc?: components["schemas"]["UtcTime"] | null;
                /** @description Its recorder. */
                recorder_id: components["schemas"]["RecorderId"];
                /** @description Connected or not. */
                state: components["schemas"]["CameraState"];
                /** @description Codec of its newest recording: `h264`, `hevc`. */
                video_codec?: string | null;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_FoundDevice: {
            /** @description The items of this page. */
            items: {
                /** @description Where its answer came from. */
                address: string;
                /** @description Its model, where it tells one. */
                model?: string | null;
                /** @description Its name, where it tells one. */
                name?: string | null;
                /**
                 * Format: int32
                 * @description Port of its web interface.
                 */
                port: number;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_LiveStreamHealth: {
            /** @description The items of this page. */
            items: {
                /**
                 * Format: int64
                 * @description Bits a second, lately.
                 */
                bits_per_s: number;
                /** @description Which camera. */
                camera_id: components["schemas"]["CameraId"];
                /** @description Why it does not play, in words. */
                failure?: string | null;
                /**
                 * Format: double
                 * @description Pictures a second, lately.
                 */
                frames_per_s: number;
                /**
                 * Format: int32
                 * @description Picture height; null until it plays.
                 */
                height?: number | null;
                /**
                 * Format: int64
                 * @description How often its source had to be begun again.
                 */
                restarts: number;
                /** @description When its first viewer came. */
                started_at: components["schemas"]["UtcTime"];
                /** @description `h264`, `hevc`; null until it plays. */
                video_codec?: string | null;
                /** @description Who watches now. */
                viewers: number;
                /**
                 * Format: int32
                 * @description Picture width; null until it plays.
                 */
                width?: number | null;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_Recorder: {
            /** @description The items of this page. */
            items: {
                /** @description Host name or IP address. */
                address: string;
                /** @description SHA-256 (64 hex digits) of the certificate that it is known by since its first login over TLS. */
                certificate_sha256?: string | null;
                /**
                 * Format: int64
                 * @description What its clock gains in a day (negative: loses), once it was watched for long enough.
                 */
                clock_drift_ms_per_day?: number | null;
                /**
                 * Format: int64
                 * @description Recorder's clock less true time, as measured last.
                 */
                clock_offset_ms?: number | null;
                /** @description What is wrong with its clock and what to do, in words; null while it is good enough. */
                clock_problem?: string | null;
                /** @description Its zone as a POSIX text (`<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00`). */
                clock_zone?: string | null;
                /** @description When it was added. */
                created_at: components["schemas"]["UtcTime"];
                /** @description How it is talked to. */
                driver: components["schemas"]["DriverKind"];
                /** @description Whether the agent works with it. */
                enabled: boolean;
                /** @description Id. */
                id: components["schemas"]["RecorderId"];
                last_checked_at?: components["schemas"]["UtcTime"] | null;
                /** @description Model or type, once logged in. */
                model?: string | null;
                /** @description Given by people. */
                name: string;
                /**
                 * @description SHA-256 of another certificate that it shows now: nothing is sent to it until a person accepts it by making it
                 *     the recorder's `certificate_sha256`.
                 */
                other_certificate_sha256?: string | null;
                /**
                 * Format: int32
                 * @description TCP port (the SDK's default is 8000).
                 */
                port: number;
                /** @description Serial number, once logged in. */
                serial?: string | null;
                /** @description Whether it answers. */
                state: components["schemas"]["RecorderState"];
                /** @description Why it is offline or in error, in words, and what to do. */
                state_reason?: string | null;
                /** @description Whether it is talked to over TLS (HTTPS); only with `isapi`. */
                tls?: boolean;
                /** @description Account on the device. */
                username: string;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_Recording: {
            /** @description The items of this page. */
            items: {
                /**
                 * Format: int32
                 * @description Downloads begun so far.
                 */
                attempts: number;
                /** @description `aac`, or null without sound. */
                audio_codec?: string | null;
                /** @description A bookmark lies within it, which protects it too. */
                bookmarked: boolean;
                /** @description Its camera. */
                camera_id: components["schemas"]["CameraId"];
                /**
                 * Format: int64
                 * @description Recorder's clock less true time when this was found.
                 */
                clock_offset_ms: number;
                /** @description What is wrong with it, if anything. */
                defects: components["schemas"]["Defect"][];
                /** @description SHA-256 of the kept file (hex), once completed; the ETag of its download. */
                digest?: string | null;
                /** @description End, true time (exclusive). */
                end_utc: components["schemas"]["UtcTime"];
                eviction_cause?: components["schemas"]["EvictionCause"] | null;
                /** @description Why the last attempt failed, in words. */
                failure?: string | null;
                /**
                 * Format: int64
                 * @description Bytes that the recorder sent for it over all attempts, once completed; null where it was not counted.
                 */
                fetched_bytes?: number | null;
                /**
                 * Format: int32
                 * @description Picture height.
                 */
                height?: number | null;
                /** @description Id. */
                id: components["schemas"]["RecordingId"];
                /**
                 * Format: int64
                 * @description Size of the kept file, once completed.
                 */
                kept_bytes?: number | null;
                /** @description Protected from eviction by a person. */
                locked: boolean;
                next_attempt_at?: components["schemas"]["UtcTime"] | null;
                /**
                 * Format: int32
                 * @description 0–100.
                 */
                progress_percent: number;
                /**
                 * Format: int64
                 * @description Bytes fetched so far, or in all once completed.
                 */
                received_bytes: number;
                /** @description Start as the recorder told it: its wall clock, no zone (`2026-11-03T15:05:00`). */
                recorder_start: string;
                /** @description SHA-256 of the bytes as received (hex). */
                source_digest?: string | null;
                /** @description The recorder's name for it. */
                source_name: string;
                /** @description Start, true time. */
                start_utc: components["schemas"]["UtcTime"];
                /**
                 * Format: int64
                 * @description Size that the recorder stated.
                 */
                stated_bytes: number;
                /** @description State. */
                status: components["schemas"]["RecordingStatus"];
                /** @description Last change; a newer one replaces an older one. */
                updated_at: components["schemas"]["UtcTime"];
                /** @description `h264`, `hevc`. */
                video_codec?: string | null;
                /**
                 * Format: int32
                 * @description Picture width.
                 */
                width?: number | null;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_SyncJob: {
            /** @description The items of this page. */
            items: {
                camera_id?: components["schemas"]["CameraId"] | null;
                /**
                 * Format: int64
                 * @description Of those, held.
                 */
                completed: number;
                /** @description When it was asked for. */
                created_at: components["schemas"]["UtcTime"];
                /**
                 * Format: int64
                 * @description Of those, failed.
                 */
                failed: number;
                /** @description What went wrong, in words. */
                failure?: string | null;
                /**
                 * Format: int64
                 * @description Recordings found in the range.
                 */
                found: number;
                /** @description From. */
                from_utc: components["schemas"]["UtcTime"];
                /** @description Id. */
                id: components["schemas"]["SyncJobId"];
                /**
                 * Format: int32
                 * @description 0–100.
                 */
                progress_percent: number;
                /** @description Where it stands. */
                state: components["schemas"]["SyncJobState"];
                /** @description To. */
                to_utc: components["schemas"]["UtcTime"];
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description Body of `POST /auth/password`. */
        PasswordChange: {
            /** @description The one in force. */
            current: string;
            /** @description The one to set: at least 10 characters. */
            new: string;
        };
        /**
         * @description What a camera's rate rests on.
         * @enum {string}
         */
        RateBasis: "measured" | "new" | "stopped" | "off" | "unknown";
        /** @description A recorder as the API shows it. Credentials never appear; the user name does. */
        Recorder: {
            /** @description Host name or IP address. */
            address: string;
            /** @description SHA-256 (64 hex digits) of the certificate that it is known by since its first login over TLS. */
            certificate_sha256?: string | null;
            /**
             * Format: int64
             * @description What its clock gains in a day (negative: loses), once it was watched for long enough.
             */
            clock_drift_ms_per_day?: number | null;
            /**
             * Format: int64
             * @description Recorder's clock less true time, as measured last.
             */
            clock_offset_ms?: number | null;
            /** @description What is wrong with its clock and what to do, in words; null while it is good enough. */
            clock_problem?: string | null;
            /** @description Its zone as a POSIX text (`<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00`). */
            clock_zone?: string | null;
            /** @description When it was added. */
            created_at: components["schemas"]["UtcTime"];
            /** @description How it is talked to. */
            driver: components["schemas"]["DriverKind"];
            /** @description Whether the agent works with it. */
            enabled: boolean;
            /** @description Id. */
            id: components["schemas"]["RecorderId"];
            last_checked_at?: components["schemas"]["UtcTime"] | null;
            /** @description Model or type, once logged in. */
            model?: string | null;
            /** @description Given by people. */
            name: string;
            /**
             * @description SHA-256 of another certificate that it shows now: nothing is sent to it until a person accepts it by making it
             *     the recorder's `certificate_sha256`.
             */
            other_certificate_sha256?: string | null;
            /**
             * Format: int32
             * @description TCP port (the SDK's default is 8000).
             */
            port: number;
            /** @description Serial number, once logged in. */
            serial?: string | null;
            /** @description Whether it answers. */
            state: components["schemas"]["RecorderState"];
            /** @description Why it is offline or in error, in words, and what to do. */
            state_reason?: string | null;
            /** @description Whether it is talked to over TLS (HTTPS); only with `isapi`. */
            tls?: boolean;
            /** @description Account on the device. */
            username: string;
        };
        /**
         * @description What to do with several recorders.
         * @enum {string}
         */
        RecorderAction: "enable" | "disable" | "delete" | "test";
        /**
         * Format: uuid
         * @description A recorder known to an appliance.
         */
        RecorderId: string;
        /** @description Body of `POST /recorders` and `PUT /recorders/{id}`. */
        RecorderInput: {
            /** @description Host name or IP address. */
            address: string;
            /**
             * @description SHA-256 of the certificate that it must show from now on: accepts the one in `other_certificate_sha256`. Left
             *     out, the known one counts, or the first that it shows at a login that succeeds.
             */
            certificate_sha256?: string | null;
            driver?: components["schemas"]["DriverKind"] | null;
            /** @description Whether the agent works with it. */
            enabled?: boolean;
            /** @description Given by people; empty takes the address. */
            name?: string;
            /** @description Its password; when changing, leave it out to keep the one that is known. Never returned. */
            password?: string | null;
            /**
             * Format: int32
             * @description TCP port; left out, 8000 for `sdk`, 80 for `isapi` and 443 with `tls`, or the known one when changing.
             */
            port?: number | null;
            /** @description Talk to it over TLS (HTTPS); only with `isapi`, off unless told otherwise. Stays when it is left out of a change. */
            tls?: boolean | null;
            /** @description Account on the device. */
            username: string;
        };
        /** @description Body of `POST /recorders/list`. */
        RecorderList: {
            /**
             * @description `name,driver,address,port,username,password,enabled`, one recorder a line, the first line naming the columns.
             *     `driver` is `sdk`, `isapi` or `isapi-tls`; an empty port is the usual one; an empty `enabled` is `yes`.
             */
            csv: string;
            /** @description Only look; nothing is added. */
            dry_run: boolean;
        };
        /** @description Answer to `POST /recorders/list`. */
        RecorderListRead: {
            /** @description Recorders that were added: all of them, or none. */
            added: number;
            /** @description What is not, or cannot be; at most 100 of them. */
            problems: components["schemas"]["ListProblem"][];
            /** @description What is understood. */
            recorders: components["schemas"]["ListedRecorder"][];
        };
        /** @description Answer to `GET /recorders/{id}/places`. A place is one stream that the recorder gives: a live view or a download. */
        RecorderPlaces: {
            /** @description Downloads that people asked for. */
            asked: number;
            /** @description Downloads of what nobody asked for. */
            background: number;
            /** @description Why the background does not begin more, in words; null while nothing holds it back. */
            background_waits?: string | null;
            /**
             * @description How many streams the recorder gives at once, all kinds together, as learnt from its refusals; null as long as it
             *     has refused none.
             */
            limit?: number | null;
            /** @description Live views that are open. */
            live: number;
            next_try_at?: components["schemas"]["UtcTime"] | null;
            /** @description What it said then. */
            refusal?: string | null;
            refused_at?: components["schemas"]["UtcTime"] | null;
            /** @description Who uses it, in words. */
            summary: string;
        };
        /**
         * @description Whether a recorder answers.
         * @enum {string}
         */
        RecorderState: "unknown" | "online" | "offline" | "error";
        /** @description Answer to a connection test. */
        RecorderTest: {
            /** @description Whether no step failed. */
            ok: boolean;
            /** @description Every step in order; behind one that failed they are `skipped`. */
            steps: components["schemas"]["TestStep"][];
        };
        /** @description Body of `POST /recorders/bulk`. */
        RecordersBulk: {
            /** @description What to do. */
            action: components["schemas"]["RecorderAction"];
            /** @description With which recorders, each once. */
            ids: components["schemas"]["RecorderId"][];
        };
        /** @description Answer to `POST /recorders/bulk`. */
        RecordersBulkDone: {
            /** @description In the order asked for. */
            items: components["schemas"]["BulkItem"][];
        };
        /** @description A recording as APIs and reports show it. */
        Recording: {
            /**
             * Format: int32
             * @description Downloads begun so far.
             */
            attempts: number;
            /** @description `aac`, or null without sound. */
            audio_codec?: string | null;
            /** @description A bookmark lies within it, which protects it too. */
            bookmarked: boolean;
            /** @description Its camera. */
            camera_id: components["schemas"]["CameraId"];
            /**
             * Format: int64
             * @description Recorder's clock less true time when this was found.
             */
            clock_offset_ms: number;
            /** @description What is wrong with it, if anything. */
            defects: components["schemas"]["Defect"][];
            /** @description SHA-256 of the kept file (hex), once completed; the ETag of its download. */
            digest?: string | null;
            /** @description End, true time (exclusive). */
            end_utc: components["schemas"]["UtcTime"];
            eviction_cause?: components["schemas"]["EvictionCause"] | null;
            /** @description Why the last attempt failed, in words. */
            failure?: string | null;
            /**
             * Format: int64
             * @description Bytes that the recorder sent for it over all attempts, once completed; null where it was not counted.
             */
            fetched_bytes?: number | null;
            /**
             * Format: int32
             * @description Picture height.
             */
            height?: number | null;
            /** @description Id. */
            id: components["schemas"]["RecordingId"];
            /**
             * Format: int64
             * @description Size of the kept file, once completed.
             */
            kept_bytes?: number | null;
            /** @description Protected from eviction by a person. */
            locked: boolean;
            next_attempt_at?: components["schemas"]["UtcTime"] | null;
            /**
             * Format: int32
             * @description 0–100.
             */
            progress_percent: number;
            /**
             * Format: int64
             * @description Bytes fetched so far, or in all once completed.
             */
            received_bytes: number;
            /** @description Start as the recorder told it: its wall clock, no zone (`2026-11-03T15:05:00`). */
            recorder_start: string;
            /** @description SHA-256 of the bytes as received (hex). */
            source_digest?: string | null;
            /** @description The recorder's name for it. */
            source_name: string;
            /** @description Start, true time. */
            start_utc: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Size that the recorder stated.
             */
            stated_bytes: number;
            /** @description State. */
            status: components["schemas"]["RecordingStatus"];
            /** @description Last change; a newer one replaces an older one. */
            updated_at: components["schemas"]["UtcTime"];
            /** @description `h264`, `hevc`. */
            video_codec?: string | null;
            /**
             * Format: int32
             * @description Picture width.
             */
            width?: number | null;
        };
        /**
         * Format: uuid
         * @description A recording; made at the edge, kept in its sidecar, the same at the relay.
         */
        RecordingId: string;
        /**
         * @description The states of a recording.
         * @enum {string}
         */
        RecordingStatus: "pending" | "downloading" | "completed" | "failed" | "evicted";
        /** @description Body of `POST /auth/refresh`; a browser sends `{}` and its cookie. */
        RefreshRequest: {
            /** @description The refresh token, where cookies are not used. */
            refresh_token?: string | null;
        };
        /** @description Body of `PUT /system/relay`. */
        RelayInput: {
            /** @description SHA-256 (hex) of the relay's CA certificate, as the relay shows it to its administrator. */
            ca_sha256?: string | null;
            /** @description `https://host[:port]` of the relay; empty: none, the appliance works on the site's network only. */
            url: string;
        };
        /**
         * @description Answer to `GET /api/v1/reports?log&from`: reports told again, for a relay that misses some. What is no longer kept is
         *     answered with 410 `REPORTS_GONE`, a log that is not told any more with 404.
         */
        ReportPage: {
            /** @description From the asked number on, in order, as many as one answer holds; empty when there is nothing newer. */
            reports: Record<string, never>[];
        };
        /** @description Body of `POST /system/factory-reset`. */
        ResetInput: {
            /** @description The appliance's id, so that nobody resets another box than the one they mean. */
            appliance: string;
            /** @description Wipes all footage and archives too. On the site's own network only. */
            footage?: boolean;
        };
        /** @description Answer to `POST /api/v1/reports/resync`. */
        Resync: {
            /** @description The log that is told from now on: a new one, unless the asked reports are kept or belong to an older log. */
            log: components["schemas"]["LogId"];
        };
        /** @description Body of `POST /api/v1/reports/resync`: the relay misses reports that are no longer kept. */
        ResyncRequest: {
            /**
             * Format: int64
             * @description First number that is missing.
             */
            from: number;
            /** @description The log that it knows. */
            log: components["schemas"]["LogId"];
        };
        /** @description The ring buffer, simulated forward at the rate of the last days. */
        Retention: {
            /**
             * Format: int64
             * @description Bytes of a day's footage of all cameras.
             */
            bytes_per_day: number;
            /** @description Camera by camera. */
            cameras: components["schemas"]["CameraRetention"][];
            /**
             * Format: double
             * @description Days kept of the camera that is kept shortest by room (not by a limit of its own); null: more than is reckoned.
             */
            days?: number | null;
            /**
             * Format: double
             * @description The same if nothing were protected.
             */
            days_without_locks?: number | null;
            full_on?: components["schemas"]["UtcTime"] | null;
            /**
             * Format: int32
             * @description How many days forward was reckoned.
             */
            horizon_days: number;
            /**
             * Format: int64
             * @description Room for footage on the volumes that are there, protected footage included.
             */
            room_bytes: number;
            /** @description In words. */
            summary: string;
        };
        /**
         * @description Roles of people at the relay (Q3). The agent's LAN page knows `org_admin` only.
         * @enum {string}
         */
        Role: "super_admin" | "org_admin" | "operator" | "viewer" | "api_only";
        /** @description One layer of what shuts the vendor SDK in. */
        SandboxLayer: {
            /** @description Why it does not stand, or not wholly, in words; null when it does. */
            missing?: string | null;
            /** @description `limits`, `privileges`, `network`, `files` or `calls`. */
            name: string;
        };
        /** @description Body of `POST /system/clock`. */
        SetClockRequest: {
            /** @description What the clock is to show, when this is asked. */
            now: components["schemas"]["UtcTime"];
        };
        /** @description Whether first-run set-up is still to be done: `GET /setup` on the agent, without login. */
        Setup: {
            /** @description The appliance, to tell boxes apart. */
            appliance: components["schemas"]["ApplianceId"];
            /** @description True until the admin password is set. */
            needed: boolean;
        };
        /** @description Body of `POST /setup`: works once. */
        SetupRequest: {
            /** @description Password of `admin`: at least 10 characters. */
            password: string;
        };
        /**
         * @description How urgent an alert is.
         * @enum {string}
         */
        Severity: "info" | "warning" | "critical";
        /** @description The storage of an appliance. */
        Storage: {
            /** @description What is protected from eviction. */
            locks?: components["schemas"]["Locks"];
            /** @description Its volumes. */
            volumes: components["schemas"]["Volume"][];
        };
        /** @description Answer to `GET /storage`. */
        StorageView: components["schemas"]["Storage"] & {
            /** @description What people were told of and is not over. */
            alarms: components["schemas"]["Alarm"][];
            /** @description How long footage stays, at the rate of the last days. */
            retention: components["schemas"]["Retention"];
        };
        /** @description Where a live stream plays. */
        StreamLink: {
            /** @description Playlist, relative to the program that answered. */
            url: string;
        };
        /** @description A stretch of time, half open. */
        Stretch: {
            /** @description First instant. */
            from_utc: components["schemas"]["UtcTime"];
            /** @description First instant after it. */
            to_utc: components["schemas"]["UtcTime"];
        };
        /** @description One request to discover and download a range now. */
        SyncJob: {
            camera_id?: components["schemas"]["CameraId"] | null;
            /**
             * Format: int64
             * @description Of those, held.
             */
            completed: number;
            /** @description When it was asked for. */
            created_at: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Of those, failed.
             */
            failed: number;
            /** @description What went wrong, in words. */
            failure?: string | null;
            /**
             * Format: int64
             * @description Recordings found in the range.
             */
            found: number;
            /** @description From. */
            from_utc: components["schemas"]["UtcTime"];
            /** @description Id. */
            id: components["schemas"]["SyncJobId"];
            /**
             * Format: int32
             * @description 0–100.
             */
            progress_percent: number;
            /** @description Where it stands. */
            state: components["schemas"]["SyncJobState"];
            /** @description To. */
            to_utc: components["schemas"]["UtcTime"];
        };
        /**
         * Format: uuid
         * @description One request to discover and download a range now.
         */
        SyncJobId: string;
        /**
         * @description Where a sync job stands.
         * @enum {string}
         */
        SyncJobState: "queued" | "discovering" | "downloading" | "done" | "cancelled" | "failed";
        /** @description Body of `POST /sync`; what is left out means every camera, or the whole time that recorders are asked about. */
        SyncRequest: {
            camera_id?: components["schemas"]["CameraId"] | null;
            from_utc?: components["schemas"]["UtcTime"] | null;
            to_utc?: components["schemas"]["UtcTime"] | null;
        };
        /** @description The appliance itself: `GET /system` on the agent. */
        System: {
            /** @description Id. */
            appliance: components["schemas"]["ApplianceId"];
            /** @description Claim. */
            claim: components["schemas"]["Claim"];
            /** @description Why no footage can be made of what recorders send, as the last rehearsal found it; null when it can. */
            footage_problem?: string | null;
            /** @description Why no footage is fetched now, in words (no room, a disk that fails); null: it is, or there is none to fetch. */
            paused?: string | null;
            /** @description Where the vendor SDK is looked for. */
            sdk_folder: string;
            /** @description What is missing of the vendor SDK and where to put it; null when it is there. */
            sdk_problem?: string | null;
            /** @description What shuts the vendor SDK in, as its last worker found it; empty before the first. */
            sdk_sandbox: components["schemas"]["SandboxLayer"][];
            /**
             * Format: int64
             * @description Seconds since the agent started.
             */
            uptime_s: number;
            /** @description Program version. */
            version: string;
        };
        /** @description One line of the answer where `application/x-ndjson` was asked for. */
        TestLine: {
            /** @enum {string} */
            line: "begins";
            /** @description Which. */
            name: string;
        } | (components["schemas"]["TestStep"] & {
            /** @enum {string} */
            line: "ended";
        }) | {
            /** @enum {string} */
            line: "done";
            /** @description Whether no step failed. */
            ok: boolean;
        };
        /**
         * @description How a step ended.
         * @enum {string}
         */
        TestResult: "passed" | "failed" | "skipped";
        /** @description One step of a connection test. */
        TestStep: {
            /**
             * Format: int64
             * @description How long it took.
             */
            elapsed_ms: number;
            /** @description What was found; or what went wrong and what to do; or why it was not made. */
            message: string;
            /** @description `library`, `address`, `port`, `tls`, `login`, `channels`, `search` or `first_byte`. */
            name: string;
            /** @description How it ended. */
            result: components["schemas"]["TestResult"];
        };
        /**
         * @description How near footage on a volume is at hand: it moves from hot to cold.
         * @enum {string}
         */
        Tier: "hot" | "warm" | "cold";
        /** @description A camera over one day of a calendar: answer to `GET /recordings/timeline/{cameraId}`. */
        Timeline: components["schemas"]["Completeness"] & {
            /** @description The day, `2026-11-03`. */
            day: string;
            /** @description Beginning of the day. */
            day_from_utc: components["schemas"]["UtcTime"];
            /** @description End of the day: 23 to 25 hours later, and maybe in the future. */
            day_to_utc: components["schemas"]["UtcTime"];
            /** @description The zone whose day it is, by its name in the tz database. */
            zone: string;
        };
        /** @description Answer to `GET /system/update`, and the retained state `update`. */
        Update: {
            /** @description What is received is installed in the quiet window without anybody saying so. */
            automatic: boolean;
            /** @description How far the update is. */
            progress: components["schemas"]["UpdateProgress"];
            /** @description Version of the system that runs; null where the box is no appliance image. */
            running?: string | null;
            /** @description Why this box takes no updates this way, and what to do, in words; null: it does. */
            unable?: string | null;
            /** @description The quiet window, by the clocks of the site: `02:00-05:00`. */
            window: string;
        };
        /** @description Body of `POST /system/update`: a bundle that is about to be sent. */
        UpdateOffer: {
            /**
             * Format: int64
             * @description Its length.
             */
            bytes: number;
            /** @description Its SHA-256, in hex. */
            sha256: string;
            /** @description Its version, as its manifest has it. */
            version: string;
        };
        /** @description How far an update is. */
        UpdateProgress: {
            /** @enum {string} */
            state: "none";
        } | {
            /**
             * Format: int64
             * @description Its length.
             */
            bytes: number;
            /**
             * Format: int64
             * @description What is there of it: the next piece begins here.
             */
            received_bytes: number;
            /** @description Its SHA-256. */
            sha256: string;
            /** @enum {string} */
            state: "receiving";
            /** @description Its version. */
            version: string;
        } | {
            chosen?: components["schemas"]["InstallWhen"] | null;
            /** @description From when on it no longer waits for people and downloads, only for the window. */
            latest_at: components["schemas"]["UtcTime"];
            /** @description The same in words. */
            message: string;
            opens_at?: components["schemas"]["UtcTime"] | null;
            /** @description Its SHA-256. */
            sha256: string;
            /** @description Since when it is there. */
            since: components["schemas"]["UtcTime"];
            /** @enum {string} */
            state: "waiting";
            /** @description Its version. */
            version: string;
            /** @description What it waits for. */
            waits_for: components["schemas"]["WaitsFor"];
        } | {
            /** @enum {string} */
            state: "ordered";
            /** @description Its version. */
            version: string;
        } | {
            /** @description Since when. */
            at: components["schemas"]["UtcTime"];
            /** @enum {string} */
            state: "installed";
            /** @description Its version. */
            version: string;
        } | {
            /** @description Since when. */
            at: components["schemas"]["UtcTime"];
            /** @enum {string} */
            state: "good";
            /** @description Its version. */
            version: string;
        } | {
            /** @description When. */
            at: components["schemas"]["UtcTime"];
            /** @description Why. */
            reason: string;
            /** @enum {string} */
            state: "refused";
            /** @description Its version. */
            version: string;
        } | {
            /** @description When. */
            at: components["schemas"]["UtcTime"];
            /** @description Why. */
            reason: string;
            /** @enum {string} */
            state: "failed";
            /** @description Its version. */
            version: string;
        } | {
            /** @description When. */
            at: components["schemas"]["UtcTime"];
            /** @description Why. */
            reason: string;
            /** @enum {string} */
            state: "went_back";
            /** @description Its version. */
            version: string;
        };
        /**
         * Format: uuid
         * @description A person who can log in.
         */
        UserId: string;
        /**
         * Format: date-time
         * @description RFC 3339, UTC (Z)
         */
        UtcTime: string;
        /**
         * @description What may be said of a range as a whole.
         * @enum {string}
         */
        Verdict: "complete" | "coming" | "incomplete";
        /** @description What is held of a volume. */
        Volume: {
            /**
             * Format: int64
             * @description Most footage that may lie on it; null: only the free-space floor counts.
             */
            budget_bytes?: number | null;
            /** @description The disks that it lies on; empty where none was found: a network, memory. */
            disks?: components["schemas"]["Disk"][];
            /**
             * Format: int64
             * @description Free bytes below which nothing more is written.
             */
            floor_bytes: number;
            /**
             * Format: int64
             * @description Bytes free on its file system.
             */
            free_bytes: number;
            /**
             * Format: int64
             * @description Bytes of completed footage on it.
             */
            held_bytes: number;
            /**
             * Format: int64
             * @description Their bytes: room that the ring no longer has.
             */
            locked_bytes?: number;
            /**
             * Format: int64
             * @description Recordings on it that a lock or a bookmark protects.
             */
            locked_recordings?: number;
            /**
             * Format: int32
             * @description Older footage leaves it; null: no limit of its own.
             */
            max_age_days?: number | null;
            /**
             * Format: int32
             * @description Older footage moves to the next colder tier; null: only for want of room.
             */
            move_after_days?: number | null;
            /** @description Name from the configuration. */
            name: string;
            /** @description Folder. */
            path: string;
            /**
             * Format: int64
             * @description Room that footage may have, what is held included: by budget or floor, whichever leaves less.
             */
            room_bytes?: number;
            /** @description Whether it can be used. */
            state?: components["schemas"]["VolumeState"];
            /** @description Its tier. */
            tier?: components["schemas"]["Tier"];
            /**
             * Format: int64
             * @description Size of its file system.
             */
            total_bytes: number;
            trouble?: components["schemas"]["VolumeTrouble"] | null;
        };
        /**
         * @description Whether a volume can be used.
         * @enum {string}
         */
        VolumeState: "working" | "gone" | "foreign" | "read_only" | "failing" | "slow" | "full";
        /** @description What is the matter with a volume. */
        VolumeTrouble: {
            /** @description What to do. */
            advice: string;
            /** @description What was found. */
            message: string;
            /** @description Since when. */
            since: components["schemas"]["UtcTime"];
        };
        /**
         * @description What an update waits for.
         * @enum {string}
         */
        WaitsFor: "person" | "window" | "judgement" | "viewers" | "footage" | "sync" | "archive" | "backlog" | "moment";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
