// An admin far away: first login with a password to change, claim a box, recordings, playback, live, download.
// Usage: node stories/far.mjs '{"url","first_password","password","code","recordings","screenshots"}'

import assert from 'node:assert/strict'

import { downloads, framesAdvance, options, seeks, tell } from './common.mjs'

const given = options()

await tell(given, async (page, shots) => {
  await page.goto(given.url)
  const login = page.getByTestId('login-form')
  await login.waitFor()
  await shots.everyLook('login')
  await login.locator('[name=username]').fill('admin')
  await login.locator('[name=password]').fill(given.first_password)
  await login.locator('button[type=submit]').click()

  // The first password must go.
  const change = page.getByTestId('password-form')
  await change.waitFor()
  await change.locator('[name=current]').fill(given.first_password)
  await change.locator('[name=new-password]').fill(given.password)
  await change.locator('[name=new-password-again]').fill(given.password)
  await shots.take('password')
  await change.locator('button[type=submit]').click()
  // Some programs ask for the new one at once.
  await page.getByTestId('nav-sites').or(page.getByTestId('login-form')).first().waitFor()
  if (await login.isVisible()) {
    await login.locator('[name=username]').fill('admin')
    await login.locator('[name=password]').fill(given.password)
    await login.locator('button[type=submit]').click()
  }

  await page.getByTestId('nav-sites').click()
  await shots.everyLook('no-sites')
  await page.getByTestId('claim-open').first().click()
  const claim = page.getByTestId('claim-form')
  await claim.locator('[name=code]').fill(given.code)
  await claim.locator('[name=site_name]').fill('Shop, Main Street')
  await shots.take('claim')
  await claim.locator('button[type=submit]').click()
  await page.locator('[data-site-id][data-online=true]').waitFor()
  await shots.everyLook('sites')

  await page.getByTestId('nav-recordings').click()
  await page.waitForFunction(
    (count) => document.querySelectorAll('[data-recording-id][data-status=completed]').length >= count,
    given.recordings,
  )
  await shots.everyLook('recordings')
  const row = page.locator('[data-recording-id][data-status=completed]').filter({ hasText: 'Yard' }).first()
  const file = await downloads(page, row.getByTestId('download'))
  assert.match(file.name, /\.mp4$/)
  await row.getByTestId('play').click()
  const playing = await framesAdvance(page)
  await seeks(page, playing.duration * 0.6)
  await shots.everyLook('playing')

  // Live, through the relay: the picture comes and moves.
  await page.getByTestId('nav-live').click()
  await page.locator('[data-camera-id]').filter({ hasText: 'Yard' }).click()
  await framesAdvance(page, 30)
  await shots.everyLook('live')

  console.log(JSON.stringify(file))
})
