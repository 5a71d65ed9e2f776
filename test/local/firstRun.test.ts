import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { Progress } from '../../local/progress.ts'
import { freePort } from '../../local/servers/spawn.ts'
import { formatPasswordLine, PASSWORD_FILE, queryLocalDatabase } from '../../local/sql.ts'

const local = join(import.meta.dirname, '../../local')
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyturn-first-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs a script of local/ to its end, in this environment. @returns its exit code, and the lines of its errors */
function run(script: string, env: NodeJS.ProcessEnv): Promise<{ code: unknown; told: string[] }> {
  return new Promise(ended =>
    execFile(
      process.execPath,
      [join(local, script)],
      { env: { ...process.env, ...env }, timeout: 60_000 },
      (error, _, stderr) => ended({ code: error?.code ?? 0, told: stderr.trim().split('\n') }),
    ),
  )
}

test.each(['serve.ts', 'demo.ts'])('%s says what to do if there is no temporary folder', async script => {
  expect(await run(script, { TMPDIR: '/no/such' })).toEqual({
    code: 1,
    told: [
      'The folder for temporary files, /no/such, is not there or may not be written to.',
      'Set TMPDIR to a folder that you may write to, or unset it.',
    ],
  })
})

test('npm run local says what to do without python3', async () => {
  expect(await run('serve.ts', { PATH: folder, AWS_ENDPOINT_URL: '' })).toEqual({
    code: 1,
    told: [
      'There is no python3 with venv and pip, which the local AWS runs on.',
      expect.stringMatching(/^Install them /),
    ],
  })
})

test('npm run local says what to do if nothing answers at AWS_ENDPOINT_URL', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  expect(await run('serve.ts', { AWS_ENDPOINT_URL: url })).toEqual({
    code: 1,
    told: [
      `Nothing answers at ${url}, which is your AWS_ENDPOINT_URL.`,
      'Start that local AWS, or unset AWS_ENDPOINT_URL to have one started here.',
    ],
  })
})

test('progress is printed with the seconds so far, also while it continues', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
  try {
    const lines: string[] = []
    const progress = new Progress(line => lines.push(line))
    progress.begin('fetching')
    vi.advanceTimersByTime(31_000)
    progress.begin('packing')
    vi.advanceTimersByTime(16_000)
    progress.end()
    vi.advanceTimersByTime(60_000)
    expect(lines).toEqual([
      '   0 s  fetching',
      '  15 s  still: fetching',
      '  30 s  still: fetching',
      '  31 s  packing',
      '  46 s  still: packing',
    ])
  } finally {
    vi.useRealTimers()
  }
})

test('a statement is run as the superuser that the password file names', async () => {
  const [{ host, port, superuser, caFile }] = inject('postgres') as [ReturnType<typeof inject<'postgres'>>[0]]
  await mkdir(join(folder, '.local'))
  await cp(caFile, join(folder, '.local/ca.pem'))
  await writeFile(
    join(folder, PASSWORD_FILE),
    formatPasswordLine(host, port, superuser.user, superuser.password),
  )
  expect(await queryLocalDatabase('select current_user as user', folder)).toEqual([{ user: superuser.user }])
  const several = "set application_name = 'me'; select 1 as one; select 2 as two; reset application_name"
  expect(await queryLocalDatabase(several, folder)).toEqual([{ two: 2 }])
  expect(await queryLocalDatabase('set application_name = me', folder)).toEqual([])
})
