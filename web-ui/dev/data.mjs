/** Made-up data for the development server: shaped like the API, with one of everything that a page must show. */

const GB = 1_000_000_000;
const MINUTE = 60_000;
const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
const id = (n) => `01890000-0000-7000-8000-${String(n).padStart(12, "0")}`;

export const now = Math.floor(Date.now() / MINUTE) * MINUTE;

export const me = {
  agent: { id: id(1), username: "admin", role: "org_admin", organisation_id: null, must_change_password: false },
  relay: {
    id: id(2),
    username: "ines@harbour.example",
    role: "org_admin",
    organisation_id: id(3),
    must_change_password: false,
  },
};

export const recorders = [
  {
    id: id(10),
    name: "Warehouse NVR",
    driver: "sdk",
    address: "192.168.1.64",
    port: 8000,
    username: "admin",
    tls: false,
    certificate_sha256: null,
    other_certificate_sha256: null,
    enabled: true,
    state: "online",
    state_reason: null,
    last_checked_at: iso(now - 2 * MINUTE),
    serial: "0820210412CCRRF12345678",
    model: "DS-7608NI-K2",
    clock_offset_ms: -192000,
    clock_drift_ms_per_day: -4100,
    clock_zone: "<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00",
    clock_problem: "the recorder's clock is 3 min 12 s behind; set it or turn on NTP at the recorder",
    created_at: iso(now - 9e8),
  },
  {
    id: id(11),
    name: "Gate DVR",
    driver: "sdk",
    address: "192.168.1.70",
    port: 8000,
    username: "holdfast",
    tls: false,
    certificate_sha256: null,
    other_certificate_sha256: null,
    enabled: true,
    state: "error",
    state_reason: "The recorder refuses the password. Edit the recorder and type the password of “holdfast” again.",
    last_checked_at: iso(now - 7 * MINUTE),
    serial: null,
    model: null,
    clock_offset_ms: null,
    clock_drift_ms_per_day: null,
    clock_zone: null,
    clock_problem: null,
    created_at: iso(now - 8e8),
  },
  {
    id: id(12),
    name: "Office NVR",
    driver: "isapi",
    address: "192.168.1.80",
    port: 443,
    username: "holdfast",
    tls: true,
    certificate_sha256: "91c4a0d3f6b2".repeat(5) + "91c4",
    other_certificate_sha256: "3fab0c5d7e21".repeat(5) + "3fab",
    enabled: true,
    state: "error",
    state_reason:
      "192.168.1.80:443 shows another certificate than before (SHA-256 3f:ab:0c:5d:7e:21:3f:ab… instead of " +
      "91:c4:a0:d3:f6:b2:91:c4…): if the recorder was reset or replaced, accept it here; until then nothing is sent to it",
    last_checked_at: iso(now - 3 * MINUTE),
    serial: "1620230801CCRRK87654321",
    model: "DS-7616NI-I2",
    clock_offset_ms: 400,
    clock_drift_ms_per_day: null,
    clock_zone: "<std>-01:00<dst>-02:00,M3.5.0/02:00,M10.5.0/03:00",
    clock_problem: null,
    created_at: iso(now - 7e8),
  },
];

const camera = (n, recorder, channel, name, state, codec, recordings, bytes) => ({
  id: id(n),
  recorder_id: recorder,
  channel,
  name,
  enabled: name !== "Office",
  state,
  video_codec: codec,
  held_recordings: recordings,
  held_bytes: bytes,
  oldest_utc: recordings ? iso(now - 20 * 86_400_000) : null,
  newest_utc: recordings ? iso(now - 8 * MINUTE) : null,
});

export const cameras = [
  camera(20, id(10), 1, "Loading dock", "online", "h264", 1832, 412 * GB),
  camera(21, id(10), 2, "Cold store", "online", "hevc", 1644, 208 * GB),
  camera(22, id(10), 3, "Office", "offline", "h264", 310, 41.5 * GB),
  camera(23, id(11), 33, "Gate", "unknown", null, 0, 0),
];

export const sites = [
  {
    id: id(40),
    organisation_id: id(3),
    name: "Harbour warehouse",
    appliance: "k7q2mzr4xw6tnb3d",
    online: true,
    tunnel_connections: 3,
    version: "0.1.0",
    last_seen_at: iso(now - MINUTE / 2),
    cameras: 4,
    held_recordings: 3786,
    held_bytes: 661.5 * GB,
  },
  {
    id: id(41),
    organisation_id: id(3),
    name: "Quarry",
    appliance: "b5ahy3wnd7u2kqle",
    online: false,
    tunnel_connections: 0,
    version: "0.1.0",
    last_seen_at: iso(now - 3.2 * 86_400_000),
    cameras: 0,
    held_recordings: 0,
    held_bytes: 0,
  },
];

const base = {
  stated_bytes: 128_400_000,
  received_bytes: 128_400_000,
  progress_percent: 100,
  kept_bytes: 127_900_000,
  digest: "9f2c".repeat(16),
  source_digest: "41ab".repeat(16),
  audio_codec: "aac",
  width: 1920,
  height: 1080,
  clock_offset_ms: 2600,
  defects: [],
  locked: false,
  bookmarked: false,
  attempts: 1,
  failure: null,
  next_attempt_at: null,
  eviction_cause: null,
};

const fetched = { kept_bytes: null, digest: null, source_digest: null, width: null, height: null };

/** What differs from a completed recording, for the rows where something does. */
const special = {
  0: { ...fetched, status: "pending", received_bytes: 0, progress_percent: 0, attempts: 0, video_codec: null },
  1: { ...fetched, status: "downloading", received_bytes: 53_900_000, progress_percent: 42 },
  3: {
    ...fetched,
    status: "failed",
    received_bytes: 8_100_000,
    progress_percent: 6,
    attempts: 3,
    failure: "The recorder closed the connection after 8.1 MB.",
    next_attempt_at: iso(now + 12 * MINUTE),
  },
  4: { locked: true, bookmarked: true },
  7: { defects: [{ kind: "short", message: "Covers 4:12 of the 5:00 minutes that the recorder claimed." }] },
  130: { status: "evicted", eviction_cause: "retention" },
};

export const recordings = Array.from({ length: 132 }, (_, n) => {
  const which = cameras[n % 3 === 2 ? 1 : 0];
  const start = now - (Math.floor(n / 2) + 2) * 5 * MINUTE;
  return {
    ...base,
    id: id(1000 + n),
    camera_id: which.id,
    status: "completed",
    start_utc: iso(start),
    end_utc: iso(start + 5 * MINUTE),
    recorder_start: iso(start + 3_600_000).replace("Z", ""),
    source_name: `ch0${which.channel}_${String(n).padStart(6, "0")}`,
    video_codec: which.video_codec,
    updated_at: iso(start + 6 * MINUTE),
    ...special[n],
  };
});

const archive = (n, state, more) => ({
  id: id(n),
  state,
  origin: "asked",
  from_utc: "2026-11-02T23:00:00Z",
  to_utc: "2026-11-09T23:00:00Z",
  cameras: null,
  asked_by: "admin",
  recordings: 2016,
  damaged: 0,
  left_out: 0,
  bytes: 86.4 * GB,
  progress_percent: 100,
  file_name: null,
  digest: null,
  volume: "main",
  downloaded_percent: 0,
  failure: null,
  mail: { state: "none", attempts: 0, next_attempt_at: null, failure: null },
  clears: null,
  cleared_recordings: 0,
  locked_recordings: 0,
  created_at: iso(now - 3 * 3_600_000),
  ready_at: null,
  downloaded_at: null,
  cleared_at: null,
  ...more,
});

const packed = {
  file_name: "Holdfast_2026-11-02_23-00-00Z_2026-11-09_23-00-00Z.zip",
  digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  ready_at: iso(now - 2 * 3_600_000),
  clears: { recordings: 2009, bytes: 86.1 * GB, locked: 7 },
};

export const archives = [
  archive(60, "building", { cameras: [id(20), id(21)], recordings: 412, bytes: 18.2 * GB, progress_percent: 37 }),
  archive(61, "ready", {
    ...packed,
    origin: "weekly",
    asked_by: null,
    downloaded_percent: 41,
    left_out: 2,
    mail: {
      state: "waiting",
      attempts: 3,
      next_attempt_at: iso(now + 4 * MINUTE),
      failure: "Connection error: Connection refused (os error 111)",
    },
  }),
  archive(62, "downloaded", {
    ...packed,
    downloaded_percent: 100,
    downloaded_at: iso(now - MINUTE),
    mail: { state: "sent", attempts: 1, next_attempt_at: null, failure: null },
  }),
  archive(63, "failed", {
    volume: null,
    failure:
      'there is no room for an archive of 86400000000 bytes: 12000000000 are missing on volume "main" although what is older than the archive has left, and nothing younger leaves for it. Clear older archives, ask for a shorter range, or add a disk',
  }),
  archive(64, "cleared", {
    volume: null,
    downloaded_percent: 100,
    cleared_at: iso(now - 20 * 3_600_000),
    downloaded_at: iso(now - 21 * 3_600_000),
    cleared_recordings: 1980,
    locked_recordings: 36,
  }),
];

export const storage = {
  volumes: [
    {
      name: "main",
      path: "/var/lib/holdfast/footage",
      held_bytes: 661.5 * GB,
      budget_bytes: 900 * GB,
      free_bytes: 310 * GB,
      total_bytes: 1000 * GB,
      floor_bytes: 20 * GB,
      room_bytes: 900 * GB,
      locked_recordings: 214,
      locked_bytes: 96 * GB,
      max_age_days: null,
      tier: "hot",
      move_after_days: 14,
      state: "working",
      trouble: null,
      disks: [
        {
          device: "nvme0n1",
          model: "Samsung SSD 980 PRO 1TB",
          serial: "S5GXNX0T000001A",
          power_on_hours: 9120,
          temperature_c: 41,
          reallocated_sectors: null,
          pending_sectors: null,
          uncorrectable_sectors: null,
          media_errors: 0,
          wear_percent: 3,
          health: "good",
          message: "the disk finds nothing wrong",
          read_at: iso(now - 600_000),
        },
      ],
    },
    {
      name: "usb",
      path: "/media/usb-archive",
      held_bytes: 118 * GB,
      budget_bytes: null,
      free_bytes: 4 * GB,
      total_bytes: 128 * GB,
      floor_bytes: 5 * GB,
      room_bytes: 117 * GB,
      locked_recordings: 12,
      locked_bytes: 9 * GB,
      max_age_days: 60,
      tier: "warm",
      move_after_days: null,
      state: "full",
      trouble: {
        since: iso(now - 3_600_000),
        message: "4.00 GB are free, less than the 5.00 GB that are to stay free",
        advice: "Look what else lies on the disk and remove it; or unlock or delete footage, or add a disk.",
      },
      disks: [
        {
          device: "sda",
          model: "WDC WD40PURZ-85TTDY0",
          serial: "WD-WCC7K0000001",
          power_on_hours: 21364,
          temperature_c: 34,
          reallocated_sectors: 24,
          pending_sectors: 8,
          uncorrectable_sectors: 0,
          media_errors: null,
          wear_percent: null,
          health: "ageing",
          message: "8 sectors cannot be read; 24 sectors had to be replaced",
          read_at: iso(now - 600_000),
        },
      ],
    },
    {
      name: "second",
      path: "/mnt/second/footage",
      held_bytes: 402 * GB,
      budget_bytes: null,
      free_bytes: 0,
      total_bytes: 0,
      floor_bytes: 5 * GB,
      room_bytes: 0,
      locked_recordings: 0,
      locked_bytes: 0,
      max_age_days: null,
      tier: "cold",
      move_after_days: null,
      state: "gone",
      trouble: {
        since: iso(now - 25 * 60_000),
        message: "/mnt/second/footage does not carry the volume's marker",
        advice: "Look whether the disk is plugged in and has power, then mount it. It is taken up again by itself; what it holds can be played and downloaded then.",
      },
      disks: [],
    },
  ],
  locks: { recordings: 226, bytes: 105 * GB, max_bytes: 508 * GB, bookmarks: 7 },
  retention: {
    room_bytes: 1017 * GB,
    bytes_per_day: 43.2 * GB,
    days: 23.4,
    days_without_locks: 26.1,
    full_on: null,
    horizon_days: 400,
    summary: `At today's rate footage is kept for 23 days; camera "${cameras[1].name}" will break its promise of 30 days on Friday 27 November. Locks and bookmarks cost 2.7 days.`,
    cameras: cameras.map(retentionOf),
  },
  alarms: [
    {
      rule: "disk_gone",
      subject: "second",
      severity: "critical",
      message: `Volume "second" is gone: /mnt/second/footage does not carry the volume's marker. Look whether the disk is plugged in and has power, then mount it. It is taken up again by itself; what it holds can be played and downloaded then`,
      since: iso(now - 25 * 60_000),
    },
    {
      rule: "retention_at_risk",
      subject: cameras[1].id,
      severity: "warning",
      message: `Camera "${cameras[1].name}" will break its promise of 30 days on Friday 27 November: 21.6 GB of footage come a day, and at that rate 23.4 days have room. Add a disk, lower the promise or what other cameras keep, or unlock footage that is no longer needed`,
      since: iso(now - 3 * 3_600_000),
    },
  ],
};

function retentionOf(camera, n) {
  const known = { basis: "measured", bytes_per_day: 21.6 * GB, days: 23.4, days_without_locks: 26.1, held_days: 23 };
  const none = { bytes_per_day: 0, days: null, days_without_locks: null };
  return {
    camera_id: camera.id,
    name: camera.name,
    held_bytes: camera.held_bytes,
    locked_bytes: n === 0 ? 105 * GB : 0,
    least_days: 0,
    most_days: null,
    most_bytes: null,
    breaks_on: null,
    ...known,
    summary: "At today's rate 23 days are kept. Locks and bookmarks cost 2.7 days.",
    ...[
      { least_days: 14, summary: "At today's rate 23 days are kept. Its promise of 14 days is kept. Locks and bookmarks cost 2.7 days." },
      {
        least_days: 30,
        breaks_on: "2026-11-27T00:00:00Z",
        summary: "At today's rate 23 days are kept. Its promise of 30 days breaks on Friday 27 November. Locks and bookmarks cost 2.7 days.",
      },
      { days: 7, days_without_locks: 7, most_days: 7, held_days: 7, summary: "At today's rate 7 days are kept." },
      { ...none, basis: "off", summary: "It is switched off: nothing new comes, and what is held leaves like that of other cameras." },
    ][n % 4],
  };
}

export const emptyStorage = {
  volumes: [{ ...storage.volumes[0], held_bytes: 0, free_bytes: 980 * GB, locked_recordings: 0, locked_bytes: 0 }],
  locks: { recordings: 0, bytes: 0, max_bytes: 450 * GB, bookmarks: 0 },
  retention: {
    ...storage.retention,
    bytes_per_day: 0,
    days: null,
    days_without_locks: null,
    summary: "How long footage will be kept is known once a day of it was found.",
    cameras: [],
  },
  alarms: [],
};

export const bookmarks = [4].map((n) => ({
  id: id(5000 + n),
  camera_id: recordings[n].camera_id,
  at_utc: iso(Date.parse(recordings[n].start_utc) + 4_000),
  note: "Van without plates stops at the gate",
  made_by: "admin",
  created_at: iso(now),
}));

export const system = {
  appliance: "k7q2mzr4xw6tnb3d",
  version: "0.1.0",
  uptime_s: 268_400,
  claim: {
    state: "waiting",
    code: "HKTW-4729",
    code_expires_at: iso(now + 14 * MINUTE),
    relay_url: "https://relay.example:8443",
    connected: false,
    site_name: null,
    failure: null,
  },
  sdk_folder: "/opt/holdfast/sdk",
  sdk_problem: null,
  footage_problem: null,
  sdk_sandbox: [],
};

export const sdkProblem =
  "libhcnetsdk.so is not in /opt/holdfast/sdk. Copy the folder “lib” of the vendor's SDK for Linux (x86_64) there.";

export const custody = {
  appliance: system.appliance,
  key_sha256: "5a".repeat(32),
  logs: [{ volume: "main", lines: 1_284, head: "c3".repeat(32), at: iso(now - MINUTE) }],
};

/** The disks in the box: its own, one with somebody's photos, a new one, and a stick. */
const boxDisk = {
  transport: "sata",
  removable: false,
  rotational: true,
  volume: null,
  contents: [],
  seen: "5a".repeat(32),
  confirm: null,
};
export const disks = {
  offered: true,
  adoption: { state: "none" },
  items: [
    {
      ...boxDisk,
      id: "a1b2c3d4e5f6",
      name: "nvme0n1",
      model: "KINGSTON SNV2S250G",
      serial: "50026B7686A1B2C3",
      bytes: 250_059_350_016,
      transport: "nvme",
      rotational: false,
      state: "system",
      message: "This box runs from it; its own footage lies there too.",
      contents: [
        { name: "nvme0n1p1", bytes: 67_108_864, file_system: "vfat", label: "ESP", mounted_at: "/boot/efi" },
        { name: "nvme0n1p6", bytes: 247_000_000_000, file_system: "ext4", label: "data", mounted_at: "/data" },
      ],
    },
    {
      ...boxDisk,
      id: "0123456789ab",
      name: "sda",
      model: "WDC WD40PURZ-85AKKY0",
      serial: "WD-WX12D3E4F5A6",
      bytes: 4_000_787_030_016,
      state: "free",
      message: "Nothing is on it.",
      confirm: { of: "serial", chars: 4 },
    },
    {
      ...boxDisk,
      id: "0123456789cd",
      name: "sdb",
      model: "ST2000DM008-2FR102",
      serial: "ZFL0A1B2",
      bytes: 2_000_398_934_016,
      state: "has_data",
      message: "Something is on it, which would be erased.",
      confirm: { of: "serial", chars: 4 },
      contents: [{ name: "sdb1", bytes: 2_000_397_795_328, file_system: "ntfs", label: "Family photos", mounted_at: null }],
    },
    {
      ...boxDisk,
      id: "0123456789ef",
      name: "sdc",
      model: "Ultra Fit",
      serial: "4C530001",
      bytes: 30_752_000_000,
      transport: "usb",
      removable: true,
      rotational: false,
      state: "refused",
      message: "It cannot be used for footage: it is a stick for this box.",
      contents: [{ name: "sdc1", bytes: 30_751_000_000, file_system: "vfat", label: "HOLDFAST", mounted_at: null }],
    },
  ],
};
export const notConfirmed =
  "That is not how the serial number of ST2000DM008-2FR102 (sdb) ends. It stands on the disk's label: make sure that it is the right disk.";

/** The same once a disk is adopted. */
export function adopted(disks, id) {
  const volume = "disk-5a1b2c3d";
  const contents = [{ name: "sdb1", bytes: 2_000_397_795_328, file_system: "ext4", label: volume, mounted_at: `/mnt/${volume}` }];
  const message = `Footage lies on it: volume ${volume}.`;
  return {
    ...disks,
    adoption: { state: "good", id, at: new Date().toISOString() },
    items: disks.items.map((disk) => (disk.id === id ? { ...disk, state: "footage", volume, message, contents, confirm: null } : disk)),
  };
}

const well = (about, seen) => ({ level: "well", about, seen, advice: null });

export const examination = {
  version: "0.1.0",
  parts: [
    {
      name: "The box",
      findings: [
        well("processor", "2 cores"),
        well("memory", "2.0 GB"),
        well("kernel", "6.12.57+deb13-amd64"),
        {
          level: "wrong",
          about: "clock",
          seen: "follows no time server, so nobody knows how true it is",
          advice:
            "Recorders' clocks are judged by this one. Let the box reach a time server (UDP port 123), or name one of the site's " +
            "network: for an appliance in the file `network` on a stick, elsewhere in /etc/systemd/timesyncd.conf.",
        },
      ],
    },
    {
      name: "Promises",
      findings: [
        {
          level: "note",
          about: "downloads",
          seen: "2 failed, 14 wait",
          advice: "*Completeness* on the page says why each failed, and can try again.",
        },
        well("custody log", "nothing waits"),
      ],
    },
  ],
};

/** The system: the newest is here and waits. */
export const update = {
  running: "0.1.0+20261003081500",
  unable: null,
  automatic: true,
  window: "02:00-05:00",
  progress: {
    state: "waiting",
    version: "0.1.0+20261102170000",
    sha256: "5a".repeat(32),
    since: iso(now - 40 * MINUTE),
    chosen: null,
    waits_for: "viewers",
    message: "2 live views are being watched. It waits until nobody watches.",
    opens_at: null,
    latest_at: iso(now + 7 * 24 * 60 * MINUTE),
  },
};

export const siteUpdate = {
  automatic: false,
  told: {
    ...update,
    progress: {
      state: "went_back",
      version: "0.1.0+20261020093000",
      reason: "the agent has not fed its watchdog after 900 s",
      at: iso(now - 90 * 60 * MINUTE),
    },
  },
  offered: { version: "0.1.0+20261102170000", bytes: 104_857_600, added_at: iso(now - 3 * 60 * MINUTE) },
  delivery: null,
};

export const downloads = {
  limit_kbps: 20000,
  background_limit_kbps: 8000,
  window: "22:00-06:00",
  zone: null,
  appliance_zone: "Europe/Berlin",
  per_recorder: 2,
};

export const places = {
  live: 1,
  asked: 0,
  background: 1,
  limit: 2,
  refused_at: null,
  refusal: null,
  next_try_at: null,
  summary: "1 live view, 1 download in the background. The recorder gives 2 at once.",
  background_waits: "People use what the recorder gives at once. The background goes on when they are done.",
};

const step = (name, result, message, elapsed_ms = 0) => ({ name, result, message, elapsed_ms });

export const recorderTest = {
  ok: true,
  steps: [
    step("library", "passed", "Vendor's library 6.1.6.45 from /var/lib/holdfast/sdk.", 412),
    step("address", "passed", "192.168.1.64 is 192.168.1.64.", 0),
    step("port", "passed", "Something answers at 192.168.1.64:8000.", 3),
    step("tls", "skipped", "Not needed: the vendor's library protects its connections in its own way."),
    step("login", "passed", "DS-7608NI-K2, serial number 0820210412CCRRF12345678, clock 2.6 s ahead in UTC+01:00.", 318),
    step("channels", "passed", "3 channels, 1 of them without their camera now.", 0),
    step("search", "passed", "Channel 1 holds 24 recordings of the last 24 hours.", 640),
    step("first_byte", "passed", "The first bytes of channel 1's recording of 2026-11-20 13:00:00 came after 1240 ms.", 1262),
  ],
};

const NOT_TRIED = "Not tried, because login failed.";

export const failedTest = {
  ok: false,
  steps: [
    ...recorderTest.steps.slice(0, 4),
    step(
      "login",
      "failed",
      "Wrong user name or password for 192.168.1.64:8000; 4 tries left before the recorder locks the account; not tried " +
        "again until you change the password.",
      204,
    ),
    step("channels", "skipped", NOT_TRIED),
    step("search", "skipped", NOT_TRIED),
    step("first_byte", "skipped", NOT_TRIED),
  ],
};

/** A day with one of every gap that a page must show; of some cameras a better one. */
export function timeline(camera, day, zone) {
  const from = Date.parse(`${day}T00:00:00+01:00`);
  const hour = (n) => from + n * 60 * MINUTE;
  const gap = (a, b, cause, recordings, message, advice, more = {}) => ({
    from_utc: iso(hour(a)),
    to_utc: iso(hour(b)),
    cause,
    recordings,
    message,
    advice,
    reason: null,
    eviction_cause: null,
    ...more,
  });
  const worst = camera === cameras[0].id;
  const gaps = worst
    ? [
        gap(0, 1.5, "beyond_reach", 0, "The recorder was asked too late: its oldest footage was already younger. Whether it had recorded is not known.", "This cannot be fetched any more. To be safe against long outages let the recorder keep footage longer."),
        gap(1.5, 2.25, "overwritten_on_recorder", 2, "The recorder had recorded this, and overwrote it before it was fetched.", "This cannot be fetched any more. Let the recorder keep footage longer, or give this box more time and bandwidth to fetch."),
        gap(6, 6.1, "not_recorded", 0, "The recorder did not record.", "Nothing is missing here. If the camera should have recorded, look at its schedule, its cable and the recorder's log."),
        gap(9, 9.4, "failed", 1, "It could not be fetched.", "See the reason. Fetch the range now to try once more.", { reason: "The recorder closed the connection after 8.1 MB." }),
        gap(12, 13, "evicted", 1, "It was held, and left because its volume needed room.", "Add room or keep less of other cameras; lock what must stay.", { eviction_cause: "pressure" }),
        gap(15.9, 16, "defect", 1, "What the recorder gave covers less than it had listed.", "The rest is not to be had from the recorder. Check its disk.", { reason: "the pictures end 6 min early" }),
        gap(20, 21.5, "not_downloaded", 2, "Known to be on the recorder, not fetched yet.", "Wait, or fetch the range now to put it first."),
        gap(21.5, 22, "not_observed", 0, "The recorder has not given a final answer about this yet.", "Wait: it is asked every few minutes. Or fetch the range now."),
      ]
    : camera === cameras[3].id
      ? [gap(0, 22, "recorder_unreachable", 0, "The recorder could not be asked.", "Look at its power and its network. It is asked again by itself once it answers.", { reason: "nothing answers at 192.168.1.70:8000" })]
      : [gap(3, 5, "not_recorded", 0, "The recorder did not record.", "Nothing is missing here. If the camera should have recorded, look at its schedule, its cable and the recorder's log.")];
  const held = [];
  let at = 0;
  for (const { from_utc, to_utc } of [...gaps, { from_utc: iso(hour(22)), to_utc: iso(hour(22)) }]) {
    if (Date.parse(from_utc) > hour(at)) {
      held.push({ from_utc: iso(hour(at)), to_utc: from_utc });
    }
    at = (Date.parse(to_utc) - from) / (60 * MINUTE);
  }
  const had = ["overwritten_on_recorder", "failed", "evicted", "defect", "not_downloaded"];
  const recorded = [...held, ...gaps.filter(({ cause }) => had.includes(cause))]
    .map(({ from_utc, to_utc }) => ({ from_utc, to_utc }))
    .sort((a, b) => a.from_utc.localeCompare(b.from_utc));
  const sum = held.reduce((ms, stretch) => ms + Date.parse(stretch.to_utc) - Date.parse(stretch.from_utc), 0);
  return {
    day,
    zone,
    day_from_utc: iso(from),
    day_to_utc: iso(hour(24)),
    camera_id: camera,
    from_utc: iso(from),
    to_utc: iso(hour(22)),
    verdict: worst ? "incomplete" : camera === cameras[3].id ? "coming" : "complete",
    recorded_ms: worst ? sum + 3.9 * 60 * MINUTE : sum,
    held_ms: sum,
    recorded,
    held,
    away: worst ? held.slice(0, 1) : [],
    gaps,
    risk: worst ? { recorder_id: id(10), recordings: 12, first_gone_utc: iso(now + 180 * MINUTE), told_at: iso(now) } : null,
  };
}
