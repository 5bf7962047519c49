/**
 * Development only: serves the built page with made-up data, under the content security policy of the programs.
 *
 *   node dev/mock.mjs agent|relay [fresh|empty|no-sdk|offline] [port]
 *
 * Any password but "wrong" logs in. Video is cut from the fixture film by ffmpeg into a temporary directory.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import * as data from "./data.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const FILM = join(HERE, "../../hw-fixtures/bigbuckbunny/bigbuckbunny.mp4");

export const POLICY =
  "default-src 'self'; img-src 'self'; media-src 'self' blob:; worker-src blob:; style-src 'self'; " +
  "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".mp4": "video/mp4",
  ".m4s": "video/mp4",
};

/** Starts the server; `close` also ends ffmpeg and removes the video. */
export async function serve(program, scene = "full", port = 0) {
  const media = mkdtempSync(join(tmpdir(), "holdfast-mock-"));
  makeVod(media);
  const world = { program, scene, media, live: null, streams: new Set(), setupNeeded: scene === "fresh", mustChange: false };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://mock");
    response.setHeader("Content-Security-Policy", POLICY);
    if (url.pathname.startsWith("/api/v1/")) {
      void answerApi(world, request, response, url);
    } else {
      sendPage(program, response, url.pathname);
    }
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    world,
    async close() {
      if (world.live) {
        world.live.kill("SIGKILL");
        await once(world.live, "exit");
      }
      server.closeAllConnections();
      server.close();
      rmSync(media, { recursive: true, force: true });
    },
  };
}

function makeVod(media) {
  execFileSync("ffmpeg", [
    ...["-loglevel", "error", "-i", FILM, "-c", "copy", "-f", "hls", "-hls_playlist_type", "vod"],
    ...["-hls_segment_type", "fmp4", "-hls_flags", "single_file+program_date_time", "-hls_time", "2"],
    join(media, "vod.m3u8"),
  ]);
}

/** The film as if it were a camera, over and over. */
function startLive(world) {
  world.live ??= spawn("ffmpeg", [
    ...["-loglevel", "error", "-re", "-stream_loop", "-1", "-i", FILM, "-c", "copy", "-f", "hls"],
    ...["-hls_segment_type", "fmp4", "-hls_time", "2", "-hls_list_size", "6"],
    ...["-hls_flags", "delete_segments+program_date_time", join(world.media, "live.m3u8")],
  ]);
}

function sendPage(program, response, path) {
  const dist = join(HERE, "../dist", program);
  const file = join(dist, normalize(path));
  sendFile(response, existsSync(file) && statSync(file).isFile() ? file : join(dist, "index.html"));
}

function sendFile(response, file, range) {
  const size = statSync(file).size;
  response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
  const start = asked ? Number(asked[1]) : 0;
  const end = asked?.[2] ? Number(asked[2]) : size - 1;
  if (asked) {
    response.writeHead(206, { "Content-Range": `bytes ${start}-${end}/${size}`, "Content-Length": end - start + 1 });
  }
  createReadStream(file, { start, end }).pipe(response);
}

function sendJson(response, body, status = 200, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(body === undefined ? "" : JSON.stringify(body));
}

function refuse(response, status, code, message) {
  const error = { code, message, timestamp: new Date().toISOString(), requestId: "01JBX5Q4ZP9W" };
  sendJson(response, { success: false, error }, status);
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  const isJson = request.headers["content-type"] === "application/json";
  return isJson && chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
}

const SESSION = [
  "hf_access=1; HttpOnly; SameSite=Strict; Path=/",
  "hf_refresh=1; HttpOnly; SameSite=Strict; Path=/",
  "hf_csrf=mock; SameSite=Strict; Path=/",
];

/** Tells every open page that something changed. */
export function tell(world, kind, id) {
  for (const stream of world.streams) {
    stream.write(`event: changed\ndata: ${JSON.stringify({ kind, id })}\n\n`);
  }
}

async function answerApi(world, request, response, url) {
  const route = `${request.method} ${url.pathname.slice("/api/v1".length)}`;
  const cookies = request.headers.cookie ?? "";
  const body = request.method === "GET" ? {} : await readBody(request);
  const me = { ...data.me[world.program], must_change_password: world.mustChange };
  const logIn = () => sendJson(response, { expires_in_s: 900, user: me }, 200, { "Set-Cookie": SESSION });

  if (route === "GET /setup") {
    return sendJson(response, { needed: world.setupNeeded, appliance: data.system.appliance });
  }
  if (route === "POST /setup") {
    world.setupNeeded = false;
    return logIn();
  }
  if (route === "POST /auth/login") {
    world.loginsEnded = false;
    return body.password === "wrong"
      ? refuse(response, 401, "AUTH_CREDENTIALS_INVALID", "User name or password is wrong.")
      : logIn();
  }
  if (route === "POST /auth/refresh" && cookies.includes("hf_refresh=1") && !world.loginsEnded) {
    return logIn();
  }
  if (!cookies.includes("hf_access=1") || world.loginsEnded) {
    return refuse(response, 401, "AUTH_TOKEN_MISSING", "Log in first.");
  }
  if (request.method !== "GET" && request.headers["x-csrf-token"] !== "mock") {
    return refuse(response, 403, "AUTH_INSUFFICIENT_PERMISSIONS", "The X-CSRF-Token header is missing.");
  }
  if (route === "POST /auth/logout") {
    return sendJson(response, undefined, 200, { "Set-Cookie": SESSION.map((cookie) => cookie.replace("=1", "=") + "; Max-Age=0") });
  }
  if (route === "POST /auth/password") {
    world.mustChange = false;
    return sendJson(response, {});
  }
  if (route === "GET /auth/me") {
    return sendJson(response, me);
  }
  if (route === "GET /events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    world.streams.add(response);
    request.on("close", () => world.streams.delete(response));
    return response.write(": hello\n\n");
  }
  return answerResource(world, route, request, response, url, body);
}

/**
 * A new box without a battery for its clock, which is set within a second and ends all logins by that; everywhere else a
 * time server keeps it.
 */
function answerClock(world, request, body) {
  const alone = world.scene === "fresh";
  world.behindMs ??= alone ? 412 * 86_400_000 : 0;
  if (request.method === "POST") {
    const behindMs = Date.now() - Date.parse(body.now);
    world.clockOrdered = true;
    setTimeout(() => Object.assign(world, { behindMs, clockOrdered: false, loginsEnded: true }), 1_000);
  }
  const now = new Date(Date.now() - world.behindMs).toISOString();
  return { now, follows_server: !alone, can_be_set: alone, ordered: world.clockOrdered === true };
}

/** Takes a bundle; the last pieces come slowly, so that one sees it. */
async function answerUpdate(world, request, response, body, verb) {
  world.update ??= data.update;
  const { sha256, version, bytes } = { ...world.update.progress, ...body };
  const told = (progress) => {
    world.update = { ...world.update, progress };
  };
  const here = { ...data.update.progress, version, sha256, waits_for: "window" };
  if (request.method === "DELETE") {
    told({ state: "none" });
  } else if (verb === "install") {
    told(body.when === "now" ? { state: "ordered", version } : { ...here, chosen: body.when });
  } else if (verb === "bundle") {
    const [, , last] = /(\d+)-(\d+)/.exec(request.headers["content-range"]) ?? [];
    const received_bytes = Number(last) + 1;
    await new Promise((resolve) => setTimeout(resolve, received_bytes > bytes / 2 ? 4_000 : 100));
    const message = "It waits for the quiet window, 02:00-05:00.";
    told(received_bytes < bytes ? { state: "receiving", version, sha256, bytes, received_bytes } : { ...here, message });
  } else if (request.method === "POST") {
    told({ state: "receiving", version, sha256, bytes, received_bytes: 0 });
  }
  return sendJson(response, world.update);
}

/** On the relay everything also names its site. */
function listed(world, items) {
  return world.program === "relay" ? items.map((item) => ({ ...item, site_id: data.sites[0].id })) : items;
}

function page(items) {
  return { items, next_cursor: null };
}

async function answerResource(world, route, request, response, url, body) {
  const bare = world.scene === "empty" || (world.scene === "fresh" && !world.recorder);
  const [, , noun, key, verb] = /^(\w+) \/(\w+)\/?([^/]*)\/?(.*)$/.exec(route) ?? [];
  const json = (value) => sendJson(response, value);
  const one = (items) => items.find((item) => item.id === key);
  switch (noun) {
    case "system":
      if (key === "downloads") {
        return json({ ...data.downloads, ...body });
      }
      if (key === "update") {
        return answerUpdate(world, request, response, body, verb);
      }
      if (key === "custody") {
        return json(data.custody);
      }
      if (key === "doctor") {
        return json(data.examination);
      }
      if (key === "clock") {
        return json(answerClock(world, request, body));
      }
      return json({ ...data.system, sdk_problem: world.scene === "no-sdk" ? data.sdkProblem : null });
    case "storage":
      return json(bare ? data.emptyStorage : data.storage);
    case "disks":
      world.disks ??= data.disks;
      if (verb === "adopt") {
        const disk = world.disks.items.find((item) => item.id === key);
        if (!disk.serial.endsWith(body.confirm.toUpperCase())) {
          return refuse(response, 400, "VALIDATION_FAILED", data.notConfirmed);
        }
        world.disks = { ...world.disks, adoption: { state: "ordered", id: key } };
        world.adopts = setTimeout(() => (world.disks = data.adopted(world.disks, key)), 4_000);
      }
      return json(bare ? { offered: false, items: [], adoption: { state: "none" } } : world.disks);
    case "bookmarks":
      return answerBookmarks(request, response, url, body, key);
    case "sites":
      if (verb === "system/doctor") {
        return json(data.examination);
      }
      if (verb.startsWith("bookmarks")) {
        return answerBookmarks(request, response, url, body, verb.split("/")[1]);
      }
      if (verb === "update") {
        world.siteUpdate ??= data.siteUpdate;
        if (request.method === "POST") {
          const { version, bytes } = data.siteUpdate.offered;
          const at = new Date().toISOString();
          const delivery = { version, bytes, state: "pending", chosen: body.when, asked_by: "ada@example.org" };
          world.siteUpdate = { ...data.siteUpdate, delivery: { ...delivery, message: null, asked_at: at, updated_at: at } };
        } else if (request.method === "DELETE") {
          world.siteUpdate = { ...world.siteUpdate, delivery: null };
        } else {
          world.siteUpdate = { ...world.siteUpdate, ...body };
        }
        return json(world.siteUpdate);
      }
      return json(page(bare ? [] : data.sites));
    case "appliances":
      return body.code === "WRONG"
        ? refuse(response, 404, "NOT_FOUND", "No appliance shows this code. Codes change every 15 minutes: look again.")
        : json({ ...data.sites[0], name: body.site_name });
    case "recorders":
      if (verb === "test" || key === "test") {
        const ok = world.scene !== "no-sdk" && body.password !== "wrong";
        world.recorder = ok;
        return sendTest(request, response, ok ? data.recorderTest : data.failedTest);
      }
      if (key === "bulk") {
        return json({ items: body.ids.map((id, n) => bulkItem(id, body.action, n)) });
      }
      if (key === "list") {
        return json(recorderList(body));
      }
      if (verb === "places") {
        return json(data.places);
      }
      if (request.method !== "GET") {
        return json({ ...data.recorders[0], ...body });
      }
      return json(page(bare ? [] : data.recorders));
    case "cameras":
      if (verb === "stream/hls") {
        if (world.scene === "offline") {
          return refuse(
            response,
            429,
            "CONCURRENT_LIMIT_EXCEEDED",
            "The recorder already sends 4 live streams, its limit. Close one and try again.",
          );
        }
        startLive(world);
        return json({ url: `/api/v1/live/${key}/index.m3u8` });
      }
      if (key === "bulk") {
        return sendJson(response, undefined, 204);
      }
      if (verb === "retention") {
        const { least_days, most_days, most_bytes } = data.storage.retention.cameras.find((it) => it.camera_id === key);
        return json({ least_days: least_days || null, most_days, most_bytes, ...body });
      }
      if (request.method !== "GET") {
        return json({ ...one(data.cameras), ...body });
      }
      return json(page(bare || url.searchParams.get("site") === data.sites[1].id ? [] : listed(world, data.cameras)));
    case "recordings":
      if (key === "timeline") {
        return json(data.timeline(verb, url.searchParams.get("day"), url.searchParams.get("zone")));
      }
      if (verb === "download") {
        response.setHeader("Content-Disposition", 'attachment; filename="loading-dock.mp4"');
        return sendFile(response, FILM, request.headers.range);
      }
      if (verb === "lock") {
        one(data.recordings).locked = body.locked;
        return json(one(data.recordings));
      }
      return json(key ? listed(world, [one(data.recordings)])[0] : recordingPage(world, bare, url.searchParams));
    case "archives":
      if (request.method === "POST") {
        return json(data.archives[0]);
      }
      return json(key ? one(data.archives) : page(bare ? [] : data.archives));
    case "sync":
      return json(syncJob(body));
    case "playback":
      return sendPlayback(world, request, response, verb, url.searchParams.get("from"));
    case "live":
      return sendLive(world, request, response, verb);
    default:
      return refuse(response, 404, "NOT_FOUND", `There is no ${route}.`);
  }
}

function answerBookmarks(request, response, url, body, key) {
  if (request.method === "DELETE") {
    data.bookmarks.splice(data.bookmarks.findIndex(({ id }) => id === key), 1);
    return sendJson(response, undefined, 204);
  }
  if (request.method === "POST") {
    const made = { ...body, id: `01890000-0000-7000-8000-00000000${6000 + data.bookmarks.length}`, made_by: "admin", created_at: new Date(data.now).toISOString() };
    data.bookmarks.push(made);
    return sendJson(response, made, 201);
  }
  const [camera, from, to] = ["camera", "from", "to"].map((name) => url.searchParams.get(name));
  const within = ({ camera_id, at_utc }) => camera_id === camera && at_utc >= from && at_utc < to;
  return sendJson(response, page(data.bookmarks.filter(within)));
}

/** A test as it happens: every step begins and ends. */
async function sendTest(request, response, test) {
  if (request.headers.accept !== "application/x-ndjson") {
    return sendJson(response, test);
  }
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  for (const step of test.steps) {
    if (step.result !== "skipped") {
      response.write(`${JSON.stringify({ line: "begins", name: step.name })}\n`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(step.elapsed_ms, 400)));
    }
    response.write(`${JSON.stringify({ line: "ended", ...step })}\n`);
  }
  response.end(`${JSON.stringify({ line: "done", ok: test.ok })}\n`);
}

function bulkItem(id, action, n) {
  const test = action !== "test" ? null : n === 0 ? data.recorderTest : data.failedTest;
  return { id, ok: test?.ok ?? true, test, message: null };
}

/** Believes every line that has a number as its port. */
function recorderList({ csv, dry_run }) {
  const lines = csv.trim().split("\n").slice(1).map((text, n) => ({ line: n + 2, fields: text.split(",") }));
  const bad = lines.filter(({ fields }) => !/^\d+$/.test(fields[3]));
  const problems = bad.map(({ line, fields }) => ({ line, message: `Port "${fields[3]}" is not a number from 1 to 65535.` }));
  const recorders = lines
    .filter((line) => !bad.includes(line))
    .map(({ line, fields: [name, driver, address, port, username, , enabled] }) => ({
      ...{ line, name, driver, tls: false, address, port: Number(port), username, enabled: enabled !== "no" },
    }));
  return { recorders, problems, added: dry_run || problems.length ? 0 : recorders.length };
}

function recordingPage(world, bare, query) {
  const wanted = (bare ? [] : data.recordings).filter(
    (recording) =>
      (!query.get("camera") || recording.camera_id === query.get("camera")) &&
      (!query.get("status") || recording.status === query.get("status")) &&
      (!query.get("from") || Date.parse(recording.end_utc) > Date.parse(query.get("from"))) &&
      (!query.get("to") || Date.parse(recording.start_utc) < Date.parse(query.get("to"))) &&
      recording.stated_bytes >= Number(query.get("min_bytes") ?? 0),
  );
  const ordered = query.get("order") === "oldest" ? wanted.toReversed() : wanted;
  const start = Number(query.get("cursor") ?? 0);
  const end = start + Number(query.get("limit") ?? 50);
  return { items: listed(world, ordered.slice(start, end)), next_cursor: end < ordered.length ? String(end) : null };
}

function syncJob(body) {
  return {
    id: "01890000-0000-7000-8000-000000009000",
    camera_id: null,
    from_utc: body.from_utc ?? new Date(data.now - 86_400_000).toISOString(),
    to_utc: body.to_utc ?? new Date(data.now).toISOString(),
    state: "downloading",
    found: 214,
    completed: 96,
    failed: 1,
    progress_percent: 45,
    failure: null,
    created_at: new Date(data.now).toISOString(),
  };
}

/** The same film for every recording, dated as was asked. */
function sendPlayback(world, request, response, file, from) {
  if (file !== "index.m3u8") {
    return sendFile(response, join(world.media, "vod.m4s"), request.headers.range);
  }
  let next = Date.parse(from ?? "") || data.now;
  let at = next;
  const playlist = readFileSync(join(world.media, "vod.m3u8"), "utf8")
    .replaceAll(/#EXTINF:([\d.]+)|#EXT-X-PROGRAM-DATE-TIME:.*/g, (line, length) => {
      if (length) {
        at = next;
        next += Number(length) * 1000;
        return line;
      }
      return `#EXT-X-PROGRAM-DATE-TIME:${new Date(at).toISOString()}`;
    });
  response.writeHead(200, { "Content-Type": TYPES[".m3u8"] });
  response.end(playlist);
}

function sendLive(world, request, response, file) {
  const path = join(world.media, file === "index.m3u8" ? "live.m3u8" : file);
  return existsSync(path)
    ? sendFile(response, path, request.headers.range)
    : refuse(response, 503, "STREAM_NODE_UNAVAILABLE", "The stream is starting. Try again in a moment.");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [program = "agent", scene = "full", port = "4173"] = process.argv.slice(2);
  const { url, close } = await serve(program, scene, Number(port));
  console.log(`${program}, scene "${scene}": ${url}`);
  process.on("SIGINT", () => void close().then(() => process.exit()));
}
