/**
 * Development only: walks through every page in Chromium and keeps a picture of each, so that a change can be looked at.
 *
 *   node dev/screenshots.mjs [folder] [only]
 *
 * Fails on script errors, violations of the content security policy, requests to elsewhere and accessibility violations.
 */
import axe from "axe-core";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

import * as data from "./data.mjs";
import { serve } from "./mock.mjs";

const folder = process.argv[2] ?? join(tmpdir(), "holdfast-screenshots");
const only = process.argv[3] ?? "";
mkdirSync(folder, { recursive: true });

const LOOKS = [
  { name: "desktop-dark", viewport: { width: 1280, height: 800 }, colorScheme: "dark" },
  { name: "desktop-light", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  { name: "phone-dark", viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true },
  { name: "phone-light", viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true, isMobile: true },
];

const PASSWORD = "correct horse battery";
const H264 = data.recordings.find((r) => r.status === "completed" && r.video_codec === "h264" && r.locked);
const HEVC = data.recordings.find((r) => r.status === "completed" && r.video_codec === "hevc");
const FAILED = data.recordings.find((r) => r.status === "failed");

const goto = (path) => (page, url) => page.goto(url + path);
const logIn = async (page, url) => {
  await page.goto(url);
  await page.getByLabel(/User name|E-mail/).fill("admin");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByTestId("account-menu").waitFor();
};
const playing = (page) => page.waitForFunction(() => (document.querySelector("video")?.currentTime ?? 0) > 0.5);
const fillRecorder = async (page) => {
  await page.getByLabel("Name", { exact: true }).fill("Warehouse NVR");
  await page.getByLabel("Address").fill("192.168.1.64");
  await page.getByLabel("Password on the recorder").fill("secret");
};

/** Each stroll: a program in a scene, then one picture after each step. */
const STROLLS = [
  {
    name: "agent-setup",
    program: "agent",
    scene: "fresh",
    steps: {
      password: async (page, url) => {
        await page.goto(url);
        await page.getByLabel("New password", { exact: true }).fill("short");
        await page.getByLabel("New password again").fill("shor");
      },
      recorder: async (page) => {
        await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
        await page.getByLabel("New password again").fill(PASSWORD);
        await page.getByRole("button", { name: "Set the password" }).click();
        await page.getByTestId("recorder-form").waitFor();
        await page.getByTestId("clock-note").waitFor();
      },
      clock: async (page) => {
        await page.getByTestId("set-clock").click();
        await page.getByTestId("set-clock-now").waitFor();
      },
      "clock-set": async (page) => {
        await page.getByTestId("set-clock-now").click();
        await page.getByRole("button", { name: "Log in" }).waitFor();
      },
      "clock-right": async (page) => {
        await page.getByLabel(/User name|E-mail/).fill("admin");
        await page.getByLabel("Password").fill(PASSWORD);
        await page.getByRole("button", { name: "Log in" }).click();
        await page.getByTestId("recorder-form").waitFor();
        await page.getByTestId("clock-note").waitFor({ state: "detached" });
      },
      fetching: async (page) => {
        await fillRecorder(page);
        await page.getByTestId("recorder-save").click();
        await page.getByText(/cameras? found/).waitFor();
      },
      done: async (page) => {
        await page.getByTestId("setup-done").click();
        await page.getByTestId("account-menu").waitFor();
      },
    },
  },
  {
    name: "agent",
    program: "agent",
    steps: {
      login: async (page, url) => {
        await page.goto(url);
        await page.getByLabel("Password").fill("wrong");
        await page.getByRole("button", { name: "Log in" }).click();
        await page.getByRole("alert").waitFor();
      },
      overview: logIn,
      menu: async (page) => page.getByTestId("account-menu").click(),
      sync: async (page, url) => {
        await page.goto(url);
        await page.getByTestId("sync").click();
        await page.getByTestId("sync-form").waitFor();
      },
      syncing: async (page) => page.getByTestId("sync-start").click(),
      delete: async (page, url) => {
        await page.goto(url);
        await page.getByTestId("recorder-delete").first().click();
      },
      recorders: goto("/recorders"),
      bulk: async (page) => {
        await page.getByLabel("Choose all").check();
        await page.getByTestId("bulk-test").click();
        await page.getByTestId("bulk-tests").waitFor();
      },
      bulkdelete: async (page) => page.getByTestId("bulk-delete").click(),
      list: async (page, url) => {
        await page.goto(`${url}/recorders`);
        await page.getByTestId("recorder-list").click();
        await page
          .getByLabel("List", { exact: true })
          .fill("name,driver,address,port,username,password,enabled\nShop,sdk,10.0.0.1,8000,admin,x,yes\nYard,sdk,10.0.0.2,http,admin,x,yes");
        await page.getByTestId("list-look").click();
        await page.getByTestId("list-problems").waitFor();
      },
      listgood: async (page) => {
        await page
          .getByLabel("List", { exact: true })
          .fill("name,driver,address,port,username,password,enabled\nShop,sdk,10.0.0.1,8000,admin,x,yes\nYard,isapi,10.0.0.2,80,admin,x,no");
        await page.getByTestId("list-look").click();
        await page.getByTestId("list-read").waitFor();
      },
      testing: async (page, url) => {
        await page.goto(url);
        await page.getByTestId("recorder-test").first().click();
        await page.getByTestId("test-start").click();
        await page.locator("[data-step=search][data-result=running]").waitFor();
      },
      tested: async (page) => page.locator("[data-step=first_byte][data-result=passed]").waitFor(),
      tls: async (page, url) => {
        await page.goto(url);
        await page.getByTestId("recorder-add").first().click();
        await page.getByLabel("Way to talk to it").selectOption("isapi");
        await page.getByLabel(/Encrypted/).check();
      },
      certificate: async (page, url) => {
        await page.goto(url);
        await page.getByTestId("other-certificate").scrollIntoViewIfNeeded();
      },
      recordings: goto("/recordings"),
      filtered: goto(`/recordings?status=evicted&day=2020-01-02`),
      player: async (page, url) => {
        await page.goto(`${url}/recordings/${H264.id}`);
        await playing(page);
      },
      bookmark: async (page) => {
        await page.getByTestId("bookmark-add").click();
        await page.getByTestId("bookmark-form").getByLabel("Note").fill("A second van");
      },
      bookmarked: async (page) => {
        await page.getByTestId("bookmark-save").click();
        await page.getByTestId("bookmark").nth(1).scrollIntoViewIfNeeded();
      },
      storage: goto("/storage"),
      limits: async (page) => {
        await page.getByTestId("limits-edit").nth(1).click();
        await page.getByTestId("limits-form").waitFor();
      },
      hevc: goto(`/recordings/${HEVC.id}`),
      failed: goto(`/recordings/${FAILED.id}`),
      completeness: goto("/completeness?day=2026-11-18"),
      gaps: goto(`/completeness?day=2026-11-18&camera=${data.cameras[0].id}`),
      fetchgap: async (page) => page.getByTestId("day-fetch").click(),
      archives: goto("/archives"),
      build: async (page) => {
        await page.getByTestId("build-archive").click();
        await page.getByTestId("archive-form").waitFor();
      },
      clear: async (page, url) => {
        await page.goto(`${url}/archives`);
        await page.locator("[data-state=ready]").getByTestId("clear-archive").click();
        await page.getByTestId("clear-anyway").waitFor();
      },
      livegrid: goto("/live"),
      live: async (page) => {
        await page.getByTestId("live-start").first().click();
        await playing(page);
      },
      system: goto("/system"),
      "system-check-up": async (page, url) => {
        await page.goto(url + "/system");
        await page.getByTestId("check-up").click();
        await page.getByTestId("examination").locator("summary").click();
        await page.getByTestId("examination").scrollIntoViewIfNeeded();
      },
      "system-reset": async (page, url) => {
        await page.goto(url + "/system");
        await page.getByTestId("reset").click();
        await page.getByTestId("reset-footage").check();
      },
      missing: goto("/nowhere"),
    },
  },
  {
    name: "agent-update",
    program: "agent",
    steps: {
      login: logIn,
      waiting: async (page, url) => {
        await page.goto(url + "/system");
        await page.getByTestId("update").scrollIntoViewIfNeeded();
      },
      now: async (page) => page.getByTestId("update-now").click(),
      none: async (page, url) => {
        await page.goto(url + "/system");
        await page.getByTestId("update-forget").click();
        await page.getByText("A signed file").scrollIntoViewIfNeeded();
      },
      chosen: async (page) => {
        const buffer = Buffer.alloc(12_000_000);
        await page.getByTestId("update-file").setInputFiles({ name: "bundle.raucb", mimeType: "", buffer });
        await page.getByTestId("update-form").scrollIntoViewIfNeeded();
      },
      sending: async (page) => {
        await page.getByLabel("Version of the update").fill("0.1.0+20261102170000");
        await page.getByRole("button", { name: "Send to the box" }).click();
        await page.getByText(/^Sending: [1-9]/).waitFor();
      },
      sent: async (page) => {
        await page.getByTestId("update-now").waitFor();
        await page.getByTestId("update").scrollIntoViewIfNeeded();
      },
      ordered: async (page) => {
        await page.getByTestId("update-now").click();
        await page.getByTestId("update-now-yes").click();
        await page.getByText("Being installed").scrollIntoViewIfNeeded();
      },
    },
  },
  {
    name: "agent-disks",
    program: "agent",
    steps: {
      login: logIn,
      list: async (page, url) => {
        await page.goto(url + "/storage");
        await page.getByTestId("box-disks").scrollIntoViewIfNeeded();
      },
      ask: async (page) => page.getByTestId("disk-adopt").last().click(),
      wrong: async (page) => {
        await page.getByLabel(/^Last 4 characters/).fill("abcd");
        await page.getByTestId("disk-adopt-yes").click();
        await page.getByRole("dialog").getByRole("alert").waitFor();
      },
      ordered: async (page) => {
        await page.getByLabel(/^Last 4 characters/).fill("a1b2");
        await page.getByTestId("disk-adopt-yes").click();
        await page.locator("[data-adoption=ordered]").scrollIntoViewIfNeeded();
      },
      good: async (page) => page.locator("[data-adoption=good]").scrollIntoViewIfNeeded(),
    },
  },
  {
    name: "agent-no-sdk",
    program: "agent",
    scene: "no-sdk",
    steps: {
      overview: logIn,
      test: async (page) => {
        await page.getByTestId("recorder-add").click();
        await fillRecorder(page);
        await page.getByTestId("recorder-save").click();
        await page.locator("[data-step=login][data-result=failed]").waitFor();
      },
    },
  },
  { name: "agent-empty", program: "agent", scene: "empty", steps: { overview: logIn, recordings: goto("/recordings"), archives: goto("/archives"), live: goto("/live"), storage: goto("/storage") } },
  {
    name: "agent-limit",
    program: "agent",
    scene: "offline",
    steps: {
      overview: logIn,
      live: async (page, url) => {
        await page.goto(`${url}/live`);
        await page.getByTestId("live-start").first().click();
        await page.getByTestId("play-failure").waitFor();
      },
    },
  },
  {
    name: "relay",
    program: "relay",
    steps: {
      login: goto("/"),
      sites: logIn,
      claim: async (page) => page.getByTestId("claim-open").click(),
      site: goto(`/sites/${data.sites[0].id}`),
      offline: goto(`/sites/${data.sites[1].id}`),
      recordings: goto("/recordings"),
      player: async (page, url) => {
        await page.goto(`${url}/recordings/${H264.id}`);
        await playing(page);
      },
      completeness: async (page, url) => {
        await page.goto(`${url}/completeness?day=2026-11-18`);
        await page.getByTestId("gap-details").first().click();
      },
      live: goto("/live"),
      "site-sent": async (page, url) => {
        await page.goto(`${url}/sites/${data.sites[0].id}`);
        await page.getByTestId("site-update-send").click();
        await page.getByTestId("site-update-call-off").scrollIntoViewIfNeeded();
      },
      "site-check-up": async (page, url) => {
        await page.goto(`${url}/sites/${data.sites[0].id}`);
        await page.getByTestId("check-up").click();
        await page.getByTestId("examination").scrollIntoViewIfNeeded();
      },
      "site-reset": async (page, url) => {
        await page.goto(`${url}/sites/${data.sites[0].id}`);
        await page.getByTestId("reset").click();
        await page.getByTestId("reset-form").waitFor();
      },
    },
  },
  {
    name: "relay-first",
    program: "relay",
    scene: "empty",
    before: (world) => (world.mustChange = true),
    steps: {
      password: async (page, url) => {
        await page.goto(url);
        await page.getByLabel("E-mail").fill("admin@example.org");
        await page.getByLabel("Password").fill(PASSWORD);
        await page.getByRole("button", { name: "Log in" }).click();
        await page.getByTestId("password-form").waitFor();
      },
      sites: async (page) => {
        await page.getByLabel("Current password").fill(PASSWORD);
        await page.getByLabel("New password", { exact: true }).fill(`${PASSWORD}!`);
        await page.getByLabel("New password again").fill(`${PASSWORD}!`);
        await page.getByRole("button", { name: "Change password" }).click();
        await page.getByTestId("account-menu").waitFor();
      },
    },
  },
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
    ...["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"],
  ],
});
const complaints = new Set();

for (const look of LOOKS) {
  for (const stroll of STROLLS.filter(({ name }) => `${name} ${look.name}`.includes(only))) {
    await walk(stroll, look);
  }
}
await browser.close();
complaints.forEach((complaint) => console.error(complaint));
console.log(`${folder}: ${complaints.size} complaints`);
process.exitCode = complaints.size ? 1 : 0;

async function walk(stroll, { name: look, ...context }) {
  const server = await serve(stroll.program, stroll.scene);
  stroll.before?.(server.world);
  const page = await browser.newPage({ ...context, timezoneId: "Europe/Berlin", locale: "en-GB" });
  page.setDefaultTimeout(15_000);
  let place = stroll.name;
  const complain = (text) => complaints.add(`${place} (${look}): ${text}`);
  page.on("pageerror", (error) => complain(error.message));
  page.on("console", (message) => {
    // A refused request is part of some strolls and shown on the page.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      complain(message.text());
    }
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith("blob:")) {
      complain(`asks ${request.url()}`);
    }
  });
  for (const [step, act] of Object.entries(stroll.steps)) {
    place = `${stroll.name}-${step}`;
    try {
      await act(page, server.url);
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(folder, `${place}-${look}.png`) });
      await inspect(page, complain);
    } catch (error) {
      complain(error.message.split("\n")[0]);
      await page.screenshot({ path: join(folder, `${place}-${look}-stuck.png`) });
    }
  }
  await page.close();
  await server.close();
}

/** What a screen reader or a narrow screen would stumble over. */
async function inspect(page, complain) {
  // A phone would make its viewport wider and everything smaller.
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  if (width > page.viewportSize().width) {
    complain("is wider than the screen");
  }
  // Evaluated through the debugger, which the content security policy does not bind.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, help, nodes } of violations) {
    complain(`${id}: ${help}: ${nodes[0].html.slice(0, 160)}`);
  }
}
