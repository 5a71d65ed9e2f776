import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const demo = fileURLToPath(new URL('../../local/demo.ts', import.meta.url))

/** Starts the demo, and stops it while its first rotation goes on. @returns its exit code, what it printed, what it left */
async function stopped(how: (child: ReturnType<typeof start>) => unknown) {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-demo-'))
  // As root, PostgreSQL runs as another user.
  await chmod(folder, 0o755)
  try {
    const child = start(folder)
    const ended = once(child, 'exit')
    let printed = ''
    const begun = Promise.withResolvers<void>()
    child.stdout.on('data', chunk => {
      printed += chunk
      if (printed.includes('SetSecret')) begun.resolve()
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

const start = (folder: string) =>
  spawn(process.execPath, [demo], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

test('Ctrl-C ends it at once, and it leaves nothing behind', async () => {
  const { code, printed, left } = await stopped(child => child.kill('SIGINT'))
  expect({ code, left }).toEqual({ code: 130, left: [] })
  expect(printed).not.toContain('    at ')
})

test('so does a reader that goes, as head does', async () => {
  const { code, printed, left } = await stopped(child => child.stdout.destroy())
  expect({ code, left }).toEqual({ code: 0, left: [] })
  expect(printed).not.toContain('    at ')
})
