export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Answer to `GET /health` and `GET /ready`. */
        Alive: {
            /** @description `ok`. */
            status: string;
            /** @description Program version. */
            version: string;
        };
        /** @description An appliance. */
        Appliance: {
            /** @description When its certificate ends; it asks for a new one at two thirds of its life. */
            certificate_expires_at: components["schemas"]["UtcTime"];
            /** @description When it was claimed. */
            claimed_at: components["schemas"]["UtcTime"];
            /** @description Id. */
            id: components["schemas"]["ApplianceId"];
            last_seen_at?: components["schemas"]["UtcTime"] | null;
            /** @description It says that it is online. */
            online: boolean;
            /** @description Its organisation. */
            organisation_id: components["schemas"]["OrganisationId"];
            /** @description It was shut out and must be claimed again. */
            revoked: boolean;
            /** @description Its site. */
            site_id: components["schemas"]["SiteId"];
            /** @description Name of the site. */
            site_name: string;
            /**
             * Format: int32
             * @description Tunnel connections open right now.
             */
            tunnel_connections: number;
            /** @description Program version. */
            version?: string | null;
        };
        /**
         * @description An appliance: the first 80 bits of the SHA-256 of its public key's SPKI, in lower-case base32 (16 characters).
         *
         *     Being derived from the key it can be neither chosen nor taken over; it is the certificate's CN, the MQTT user name
         *     and a level of every topic.
         */
        ApplianceId: string;
        /** @description What somebody did. */
        AuditEntry: {
            /** @description What: `session.login`, `footage.download`, `recording.lock`, `appliance.claim`… */
            action: string;
            /** @description From where. */
            address: string;
            /** @description When; for footage, when it began. */
            at: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Bytes sent, for footage.
             */
            bytes?: number | null;
            /**
             * Format: int64
             * @description Number; grows with time.
             */
            id: number;
            /** @description Finds the request in the journals of relay and appliance. */
            request_id: string;
            site_id?: components["schemas"]["SiteId"] | null;
            /**
             * Format: int32
             * @description HTTP status that it was answered with.
             */
            status: number;
            /** @description To what: the id of a person, recording, camera or site, or the route of a site's appliance. */
            subject: string;
            user_id?: components["schemas"]["UserId"] | null;
            /** @description Login name, as known or as typed. */
            username: string;
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
         * Format: uuid
         * @description A camera: a channel of a recorder, or a URL.
         */
        CameraId: string;
        /**
         * @description What a camera does now.
         * @enum {string}
         */
        CameraState: "unknown" | "online" | "offline";
        /** @description Something changed. Sent as event `changed`. */
        Changed: {
            appliance?: components["schemas"]["ApplianceId"] | null;
            /** @description What kind of thing: `recording`, `camera`, `recorder`, `job`, `alert`, `storage`, `site`. */
            kind: string;
            site_id?: components["schemas"]["SiteId"] | null;
        };
        /** @description Body of `POST /appliances/claim` at the relay. */
        ClaimRequest: {
            /** @description The code as the appliance shows it; case, spaces and hyphens do not matter. */
            code: string;
            organisation_id?: components["schemas"]["OrganisationId"] | null;
            /** @description Name of the new site. */
            site_name: string;
        };
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
        /**
         * @description When a bundle that waits is to be installed.
         * @enum {string}
         */
        InstallWhen: "now" | "window";
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
        /** @description A newer system that can be sent to a site. */
        OfferedUpdate: {
            /** @description When it was put here. */
            added_at: components["schemas"]["UtcTime"];
            /**
             * Format: int64
             * @description Length of its file.
             */
            bytes: number;
            /** @description Its version. */
            version: string;
        };
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
        Page_Appliance: {
            /** @description The items of this page. */
            items: {
                /** @description When its certificate ends; it asks for a new one at two thirds of its life. */
                certificate_expires_at: components["schemas"]["UtcTime"];
                /** @description When it was claimed. */
                claimed_at: components["schemas"]["UtcTime"];
                /** @description Id. */
                id: components["schemas"]["ApplianceId"];
                last_seen_at?: components["schemas"]["UtcTime"] | null;
                /** @description It says that it is online. */
                online: boolean;
                /** @description Its organisation. */
                organisation_id: components["schemas"]["OrganisationId"];
                /** @description It was shut out and must be claimed again. */
                revoked: boolean;
                /** @description Its site. */
                site_id: components["schemas"]["SiteId"];
                /** @description Name of the site. */
                site_name: string;
                /**
                 * Format: int32
                 * @description Tunnel connections open right now.
                 */
                tunnel_connections: number;
                /** @description Program version. */
                version?: string | null;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_AuditEntry: {
            /** @description The items of this page. */
            items: {
                /** @description What: `session.login`, `footage.download`, `recording.lock`, `appliance.claim`… */
                action: string;
                /** @description From where. */
                address: string;
                /** @description When; for footage, when it began. */
                at: components["schemas"]["UtcTime"];
                /**
                 * Format: int64
                 * @description Bytes sent, for footage.
                 */
                bytes?: number | null;
                /**
                 * Format: int64
                 * @description Number; grows with time.
                 */
                id: number;
                /** @description Finds the request in the journals of relay and appliance. */
                request_id: string;
                site_id?: components["schemas"]["SiteId"] | null;
                /**
                 * Format: int32
                 * @description HTTP status that it was answered with.
                 */
                status: number;
                /** @description To what: the id of a person, recording, camera or site, or the route of a site's appliance. */
                subject: string;
                user_id?: components["schemas"]["UserId"] | null;
                /** @description Login name, as known or as typed. */
                username: string;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_Site: {
            /** @description The items of this page. */
            items: {
                appliance?: components["schemas"]["ApplianceId"] | null;
                /**
                 * Format: int64
                 * @description Cameras known.
                 */
                cameras: number;
                /**
                 * Format: int64
                 * @description Bytes held at the site.
                 */
                held_bytes: number;
                /**
                 * Format: int64
                 * @description Recordings held at the site.
                 */
                held_recordings: number;
                /** @description Id. */
                id: components["schemas"]["SiteId"];
                last_seen_at?: components["schemas"]["UtcTime"] | null;
                /** @description Name. */
                name: string;
                /** @description The appliance says that it is online (birth/will over MQTT). */
                online: boolean;
                /** @description Its organisation. */
                organisation_id: components["schemas"]["OrganisationId"];
                /**
                 * Format: int32
                 * @description Spare tunnel connections right now.
                 */
                tunnel_connections: number;
                /** @description Program version of the appliance. */
                version?: string | null;
            }[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_SiteCamera: {
            /** @description The items of this page. */
            items: (components["schemas"]["Camera"] & {
                /** @description Its site. */
                site_id: components["schemas"]["SiteId"];
            })[];
            /** @description Pass as `cursor` for the next page; null at the end. */
            next_cursor?: string | null;
        };
        /** @description A page of a list. */
        Page_SiteRecording: {
            /** @description The items of this page. */
            items: (components["schemas"]["Recording"] & {
                /** @description Its site. */
                site_id: components["schemas"]["SiteId"];
            })[];
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
        /** @description Answer to `GET /ready`. */
        Ready: {
            /** @description Whether reports of appliances come in now. Without, lists grow old, but people can watch and download. */
            reports: boolean;
            /** @description `ok`. */
            status: string;
            /** @description Program version. */
            version: string;
        };
        /**
         * Format: uuid
         * @description A recorder known to an appliance.
         */
        RecorderId: string;
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
        /**
         * @description Roles of people at the relay (Q3). The agent's LAN page knows `org_admin` only.
         * @enum {string}
         */
        Role: "super_admin" | "org_admin" | "operator" | "viewer" | "api_only";
        /** @description Body of `POST /sites/{site}/update`. */
        SendUpdate: {
            /** @description Which system: one that is offered. */
            version: string;
            when?: components["schemas"]["InstallWhen"] | null;
        };
        /** @description A site as the relay shows it. */
        Site: {
            appliance?: components["schemas"]["ApplianceId"] | null;
            /**
             * Format: int64
             * @description Cameras known.
             */
            cameras: number;
            /**
             * Format: int64
             * @description Bytes held at the site.
             */
            held_bytes: number;
            /**
             * Format: int64
             * @description Recordings held at the site.
             */
            held_recordings: number;
            /** @description Id. */
            id: components["schemas"]["SiteId"];
            last_seen_at?: components["schemas"]["UtcTime"] | null;
            /** @description Name. */
            name: string;
            /** @description The appliance says that it is online (birth/will over MQTT). */
            online: boolean;
            /** @description Its organisation. */
            organisation_id: components["schemas"]["OrganisationId"];
            /**
             * Format: int32
             * @description Spare tunnel connections right now.
             */
            tunnel_connections: number;
            /** @description Program version of the appliance. */
            version?: string | null;
        };
        /** @description A camera as the relay lists it. */
        SiteCamera: components["schemas"]["Camera"] & {
            /** @description Its site. */
            site_id: components["schemas"]["SiteId"];
        };
        /**
         * Format: uuid
         * @description A site of an organisation.
         */
        SiteId: string;
        /** @description A recording as the relay lists it. */
        SiteRecording: components["schemas"]["Recording"] & {
            /** @description Its site. */
            site_id: components["schemas"]["SiteId"];
        };
        /** @description Answer to `GET /sites/{site}/update`. */
        SiteUpdate: {
            /** @description The site takes every newer system that is put here, without anybody asking. */
            automatic: boolean;
            delivery?: components["schemas"]["UpdateDelivery"] | null;
            offered?: components["schemas"]["OfferedUpdate"] | null;
            told?: components["schemas"]["Update"] | null;
        };
        /** @description Body of `PUT /sites/{site}/update`. */
        SiteUpdateSettings: {
            /** @description The site takes every newer system that is put here, without anybody asking. */
            automatic: boolean;
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
        /** @description What is sent to a site, or was sent last. */
        UpdateDelivery: {
            /** @description When it was asked for. */
            asked_at: components["schemas"]["UtcTime"];
            /** @description Who asked for it; null: the site takes updates by itself. */
            asked_by?: string | null;
            /**
             * Format: int64
             * @description Length of its file.
             */
            bytes: number;
            chosen?: components["schemas"]["InstallWhen"] | null;
            /** @description Why it waits, or failed. */
            message?: string | null;
            /** @description How far it is. */
            state: components["schemas"]["UpdateDeliveryState"];
            /** @description When its state last changed. */
            updated_at: components["schemas"]["UtcTime"];
            /** @description Its version. */
            version: string;
        };
        /**
         * @description How far a delivery is.
         * @enum {string}
         */
        UpdateDeliveryState: "pending" | "delivered" | "failed";
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
