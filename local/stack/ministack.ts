import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { freePort, startServer } from '../servers/spawn.ts'

export type MiniStack = { url: string; logFile: string; stop(): Promise<void> }

/**
 * Starts MiniStack, a local AWS in one process, on a free port of 127.0.0.1, from the Python environment `bin`. It keeps
 * nothing, runs functions as processes under the Node that runs us, and ends when this process does.
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
    // What functions call it by. An IP address, so that clients put a bucket's name in the path, not in the host.
    MINISTACK_HOST: '127.0.0.1',
    // Each function may do what its role allows, as in AWS. Other credentials may do everything.
    AUTH: 'true',
    TMPDIR: folder,
    // No folder of compiled files in the project's own.
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

/** An environment without what steers AWS's clients: no real account, and no endpoint but the one that is given. */
export function withoutAwsVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('AWS_')))
}
