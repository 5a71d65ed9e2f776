import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { freePort, startServer } from '../servers/spawn.ts'

/** A running MiniStack: its endpoint and its log. */
export type MiniStack = { url: string; logFile: string; stop(): Promise<void> }

/**
 * Starts MiniStack, a local AWS (https://pypi.org/project/ministack/), on a free port of 127.0.0.1. It runs Lambda functions with
 * the Node that runs this process, keeps no data after it has stopped, and stops when this process ends.
 * @param bin the bin folder of the Python environment that has MiniStack
 */
export async function startMiniStack(bin: string): Promise<MiniStack> {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-ministack-'))
  const logFile = join(folder, 'ministack.log')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...withoutAwsVariables(process.env),
    PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    BIND_HOST: '127.0.0.1',
    GATEWAY_PORT: `${port}`,
    // The host by which functions call MiniStack. As it is an IP address, clients put a bucket's name in the path, not in the host.
    MINISTACK_HOST: '127.0.0.1',
    // With this a role or an IAM user may do what its policies allow, as in AWS. The made-up credentials of a deployment may do
    // everything.
    AUTH: 'true',
    TMPDIR: folder,
    // Without this Python writes a folder of compiled files into the project.
    PYTHONDONTWRITEBYTECODE: '1',
  }
  const log = openSync(logFile, 'a')
  try {
    const stop = await startServer(
      [join(bin, 'python'), join(import.meta.dirname, 'mended_ministack.py')],
      url,
      { cwd: folder, env, log },
    )
    return {
      url,
      logFile,
      async stop() {
        await stop()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    throw new Error(`MiniStack did not start:\n${readFileSync(logFile, 'utf8')}`, { cause: error })
  } finally {
    closeSync(log)
  }
}

/** An environment without variables that AWS's clients read, so that they use no real account and no other endpoint. */
export function withoutAwsVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('AWS_')))
}
