// What both browser stories share: the browser, a page that may load nothing from elsewhere, and looking at a picture.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { chromium } from 'playwright-core'

const PATIENCE_MS = 90_000

/** Opens the browser on `options.url`, runs `story(page, tools)`, and fails on whatever a page must not do. */
export async function tell(options, story) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--autoplay-policy=no-user-gesture-required',
    ],
  })
  const complaints = []
  try {
    // The relay's certificate is signed by its own CA, as it is on a first start; the harness checks that chain itself.
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      acceptDownloads: true,
      viewport: { width: 1280, height: 800 },
      colorScheme: 'dark',
    })
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE_MS)
    const origin = new URL(options.url).origin
    page.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(origin) && !url.startsWith('blob:') && !url.startsWith('data:')) complaints.push(`asked elsewhere: ${url}`)
    })
    page.on('pageerror', (error) => complaints.push(`script error: ${error.message}`))
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text())
    })
    const shots = new Shots(page, options.screenshots)
    try {
      await story(page, shots)
    } catch (error) {
      await shots.take('where-it-failed')
      throw error
    }
    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
  }
}

/** Screenshots, numbered in the order of the story. */
class Shots {
  constructor(page, folder) {
    this.page = page
    this.folder = folder
    this.count = 0
    mkdirSync(folder, { recursive: true })
  }

  async take(name) {
    this.count += 1
    const file = `${String(this.count).padStart(2, '0')}-${name}.png`
    await this.page.screenshot({ path: join(this.folder, file) })
  }

  /** Desktop and phone, dark and light. */
  async everyLook(name) {
    for (const [device, viewport] of [
      ['desktop', { width: 1280, height: 800 }],
      ['phone', { width: 390, height: 844 }],
    ]) {
      await this.page.setViewportSize(viewport)
      for (const colorScheme of ['dark', 'light']) {
        await this.page.emulateMedia({ colorScheme })
        await this.take(`${name}-${device}-${colorScheme}`)
      }
    }
    await this.page.setViewportSize({ width: 1280, height: 800 })
    await this.page.emulateMedia({ colorScheme: 'dark' })
  }
}

const picture = (page) =>
  page.locator('video').evaluate((video) => ({
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    time: video.currentTime,
    duration: video.duration,
    width: video.videoWidth,
  }))

/** Waits until `count` more frames have been shown, and gives what the picture says then. */
export async function framesAdvance(page, count = 10) {
  await page.locator('video').waitFor()
  await page.locator('video').evaluate((video) => video.play().catch(() => undefined))
  const before = await picture(page)
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const now = await picture(page)
    if (now.frames >= before.frames + count && now.time > 0 && now.width > 0) return now
    if (Date.now() > deadline) throw new Error(`the picture stands still: ${JSON.stringify([before, now])}`)
    await page.waitForTimeout(100)
  }
}

/** Plays, seeks to `second`, and sees frames there. */
export async function seeks(page, second) {
  await page.locator('video').evaluate((video, to) => {
    video.currentTime = to
  }, second)
  const there = await framesAdvance(page, 5)
  assert.ok(there.time >= second - 0.5 && there.time < second + 10, `sought ${second}, is at ${there.time}`)
}

/** Clicks what downloads, and gives name, size and SHA-256 of the file. */
export async function downloads(page, button) {
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()])
  const path = await download.path()
  const bytes = readFileSync(path)
  return {
    name: download.suggestedFilename(),
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }
}

/** What the harness passes: one JSON argument. */
export const options = () => JSON.parse(process.argv[2])
