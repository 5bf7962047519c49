// A person at the site: first run, the recorder, recordings, playback with seeking, live, download.
// Usage: node stories/site.mjs '{"url","password","recorder":{"address","port","username","password"},"recordings","screenshots"}'

import assert from 'node:assert/strict'

import { downloads, framesAdvance, options, seeks, tell } from './common.mjs'

const given = options()

await tell(given, async (page, shots) => {
  await page.goto(given.url)

  // First run: no default password, a rule that is said, then the recorder.
  const setup = page.getByTestId('setup-form')
  await setup.waitFor()
  await shots.everyLook('first-run')
  await setup.locator('[name=new-password]').fill(given.password)
  await setup.locator('[name=new-password-again]').fill(given.password)
  await setup.locator('button[type=submit]').click()
  const form = page.getByTestId('recorder-form')
  await form.waitFor()
  await form.locator('[name=name]').fill('Shop')
  await form.locator('[name=address]').fill(given.recorder.address)
  await form.locator('[name=port]').fill(String(given.recorder.port))
  await form.locator('[name=recorder-username]').fill(given.recorder.username)
  // A wrong password fails at the login and nothing behind it is tried; nothing is kept yet.
  await form.locator('[name=recorder-password]').fill('mistyped')
  await form.getByTestId('recorder-try').click()
  await form.locator('[data-step=login][data-result=failed]').waitFor()
  await form.locator('[data-step=port][data-result=passed]').waitFor()
  await form.locator('[data-step=first_byte][data-result=skipped]').waitFor()
  await shots.everyLook('test-failed')
  await form.locator('[name=recorder-password]').fill(given.recorder.password)
  await form.getByTestId('recorder-try').click()
  await form.locator('[data-step=first_byte][data-result=passed]').waitFor()
  await shots.take('recorder')
  await form.getByTestId('recorder-save').click()
  // Saving tests the connection too; only a recorder that answers leads on.
  await page.getByTestId('setup-done').waitFor()
  await shots.take('fetching')
  await page.getByTestId('setup-done').click()

  // Recordings arrive by themselves.
  await page.getByTestId('nav-recordings').click()
  await page.waitForFunction(
    (count) => document.querySelectorAll('[data-recording-id][data-status=completed]').length >= count,
    given.recordings,
  )
  await shots.everyLook('recordings')
  const row = page.locator('[data-recording-id][data-status=completed]').filter({ hasText: 'Yard' }).first()

  const file = await downloads(page, row.getByTestId('download'))
  assert.match(file.name, /\.mp4$/)

  // Playback: frames advance, seeking works.
  await row.getByTestId('play').click()
  const playing = await framesAdvance(page)
  assert.ok(playing.duration >= 8, `duration ${playing.duration}`)
  await seeks(page, playing.duration * 0.6)
  await shots.everyLook('playing')

  // H.265: this browser cannot decode it, says so, and offers the file.
  await page.getByTestId('nav-recordings').click()
  await page.locator('[data-recording-id][data-status=completed]').filter({ hasText: 'Gate' }).first().getByTestId('play').click()
  await page.getByTestId('codec-unsupported').waitFor()
  await shots.take('h265')

  // Live: the picture comes and moves.
  await page.getByTestId('nav-live').click()
  await page.locator('[data-camera-id]').filter({ hasText: 'Yard' }).click()
  await framesAdvance(page, 30)
  await shots.everyLook('live')

  await page.getByTestId('nav-overview').click()
  await page.locator('[data-recorder-id][data-state=online]').waitFor()
  await shots.everyLook('overview')
  await page.getByTestId('nav-system').click()
  await page.getByTestId('claim').waitFor()
  await shots.everyLook('system')

  console.log(JSON.stringify(file))
})
