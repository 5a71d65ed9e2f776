import { execFile } from 'node:child_process'
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { FunctionHost } from '../../bench/official/host.ts'
import {
  adaptSource,
  introduceSource,
  openSource,
  RECORDED_COMMIT,
  SourceMissing,
} from '../../bench/official/source.ts'
import { pythonBin } from '../../local/stack/python.ts'

const run = promisify(execFile)
const folder = () => mkdtempDisposable(join(tmpdir(), 'keyturn-official-test-'))

describe("AWS's functions", () => {
  test('are read from a clone and from a bare mirror, at the commit that is checked out', async () => {
    await using at = await folder()
    const clone = join(at.path, 'clone')
    await mkdir(join(clone, 'SecretsManagerRDSMySQLRotationMultiUser'), { recursive: true })
    await writeFile(join(clone, 'SecretsManagerRDSMySQLRotationMultiUser/lambda_function.py'), 'committed')
    const git = (...words: string[]) => run('git', ['-C', clone, ...words])
    await git('init', '--quiet')
    await git('add', '.')
    const author = ['-c', 'user.name=a', '-c', 'user.email=a@example.com']
    await git(...author, 'commit', '--quiet', '-m', 'one', '--date', '2025-02-25T12:00:00Z')
    await run('git', ['clone', '--quiet', '--mirror', clone, join(at.path, 'mirror')])
    await writeFile(join(clone, 'SecretsManagerRDSMySQLRotationMultiUser/lambda_function.py'), 'changed')
    const { stdout } = await git('rev-parse', 'HEAD')
    for (const name of ['clone', 'mirror']) {
      const source = await openSource(join(at.path, name))
      expect(source).toMatchObject({
        commit: stdout.trim(),
        date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      })
      expect(await source.read('mysql', 'alternating')).toBe('committed')
      await expect(source.read('postgres', 'single')).rejects.toThrow()
    }
  })

  test('are named by commit and date, with a note if the commit is not the recorded one', () => {
    const read = async () => ''
    const date = '2025-02-25'
    expect(introduceSource({ commit: RECORDED_COMMIT, date, read })).toBe(
      `AWS's functions at ${RECORDED_COMMIT} of 2025-02-25.`,
    )
    expect(introduceSource({ commit: 'other', date, read })).toBe(
      `AWS's functions at other of 2025-02-25, not the recorded ${RECORDED_COMMIT}: nothing is written.`,
    )
  })

  test('if missing, the message says how to get them', async () => {
    await using at = await folder()
    const failure = await openSource(at.path).catch(error => error)
    expect(failure).toBeInstanceOf(SourceMissing)
    expect(failure.message).toContain('git clone https://github.com/aws-samples/')
  })

  test('are changed only in the path of the CA file and, on request, in the one string about MySQL', () => {
    const text = `ca='/etc/pki/tls/cert.pem'\nif version.startswith("8"): pass\n`
    expect(adaptSource(text, '/roots.pem')).toBe(`ca='/roots.pem'\nif version.startswith("8"): pass\n`)
    expect(adaptSource(text, '/roots.pem', { knowsMysql9: true })).toBe(
      `ca='/roots.pem'\nif version.startswith(("8", "9")): pass\n`,
    )
    expect(() => adaptSource(text + text, '/roots.pem')).toThrow('2 times, not once')
    expect(() => adaptSource('', '/roots.pem')).toThrow('0 times, not once')
  })
})

const bin = await pythonBin()

describe.skipIf(!bin)('the host of a function', () => {
  const python = { bin: bin ?? '', hasPostgresDriver: false }
  const surroundings = { endpoint: 'https://127.0.0.1:1', roots: '/none', home: tmpdir() }
  const start = (text: string) => FunctionHost.start(python, text, surroundings)
  const rotation = { id: 'secret', token: 'token' }

  test('calls it as Secrets Manager does, and reports the time', async () => {
    await using host = await start(`
import time
def lambda_handler(event, context):
    assert event == {"Step": "setSecret", "SecretId": "secret", "ClientRequestToken": "token"}
    print("not an answer")
    kept = bytearray(50_000_000)
    time.sleep(0.05)
`)
    const before = host.loaded.memory
    const { wall, cpu, memory, error } = await host.step('setSecret', rotation)
    expect(error).toBeNull()
    expect(wall).toBeGreaterThanOrEqual(50)
    expect(cpu).toBeLessThan(wall)
    expect(memory - before).toBeGreaterThan(40_000_000)
    expect((await host.step('testSecret', rotation)).error).toMatchObject({ name: 'AssertionError' })
  })

  test('reports the name and code of its error, and of the message only whether it has a value', async () => {
    await using host = await start(`
class Refused(Exception):
    response = {"Error": {"Code": "ResourceNotFoundException"}}
def lambda_handler(event, context):
    if event["Step"] == "setSecret":
        raise RuntimeError(1064, "near 'new-password'")
    raise Refused("not there")
`)
    const failed = await host.step('setSecret', rotation, ['new-password'])
    expect(failed.error).toEqual({ name: 'RuntimeError', code: 1064, quotes: true })
    expect(JSON.stringify(failed)).not.toContain('new-password')
    const refused = await host.step('testSecret', rotation, ['new-password'])
    expect(refused.error).toEqual({ name: 'Refused', code: 'ResourceNotFoundException', quotes: false })
  })

  test('is ready before the function is loaded, and logs in as the function does', async () => {
    const text = 'def get_connection(value): return value["username"] == "app" or None'
    await using host = await FunctionHost.ready(python, text, surroundings)
    expect(() => host.loaded).toThrow('not loaded yet')
    await host.load()
    expect(host.loaded.wall).toBeGreaterThan(0)
    expect((await host.login({ username: 'app' })).error).toBeNull()
    await expect(host.login({ username: 'other' })).rejects.toThrow('could not log in')
  })

  test('fails if the function cannot be loaded or the process ends', async () => {
    await expect(start('import no_such_module')).rejects.toThrow('ModuleNotFoundError')
    await using host = await start('import os\ndef lambda_handler(event, context): os._exit(3)')
    await expect(host.step('setSecret', rotation)).rejects.toThrow('ended before it answered')
    await expect(host.step('setSecret', rotation)).rejects.toThrow('ended')
  })
})
