import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

type Child = ReturnType<typeof start>

/**
 * Starts a script of local/, and stops it once it has printed this. @returns its exit code, what it printed, what it left
 */
async function stopped(script: string, text: string, how: (child: Child) => unknown) {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-demo-'))
  // If the tests run as root, PostgreSQL runs as another user.
  await chmod(folder, 0o755)
  try {
    const child = start(script, folder)
    const ended = once(child, 'exit')
    let printed = ''
    const begun = Promise.withResolvers<void>()
    child.stdout.on('data', chunk => {
      printed += chunk
      if (printed.includes(text)) begun.resolve()
    })
    child.stderr.on('data', chunk => (printed += chunk))
    await Promise.race([begun.promise, ended.then(() => expect.fail(printed))])
    how(child)
    const [code] = await ended
    return { code, printed, left: await readdir(folder) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const start = (script: string, folder: string) =>
  spawn(process.execPath, [fileURLToPath(new URL(`../../local/${script}`, import.meta.url))], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

describe.each(['demo.ts', 'drill.ts'])('%s, while a rotation goes on', script => {
  test('Ctrl-C ends it at once, and it leaves nothing behind', async () => {
    const { code, printed, left } = await stopped(script, 'SetSecret', child => child.kill('SIGINT'))
    expect({ code, left }).toEqual({ code: 130, left: [] })
    expect(printed).not.toContain('    at ')
  })

  test('a closed pipe, as by head, ends it too', async () => {
    const { code, printed, left } = await stopped(script, 'SetSecret', child => child.stdout.destroy())
    expect({ code, left }).toEqual({ code: 0, left: [] })
    expect(printed).not.toContain('    at ')
  })
})

test('the drill ends by itself with every check passed, and says what was lost', async () => {
  const { code, printed, left } = await stopped('drill.ts', 'All of it was proven', () => {})
  expect(printed).not.toContain('NOT TRUE')
  expect(printed).toMatch(/shop +the first good query came [\d.]+ s after the loss; queries lost: \d+/)
  expect(printed).toMatch(/shop +pending +shop +logs in, and is current now/)
  expect({ code, left }).toEqual({ code: 0, left: [] })
})
