import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

type Options = { cwd?: string; env?: NodeJS.ProcessEnv; log?: number | 'ignore'; signal?: 'INT' | 'TERM' }

/**
 * Runs a command that gets `signal` as soon as its standard input closes. The kernel closes it when this process
 * ends, also when it crashes, so the command never outlives us. `log` is the file that its output goes to.
 */
export function spawnUntilProcessEnds(
  command: string[],
  { log = 'ignore', signal = 'TERM', ...options }: Options,
): ChildProcess {
  const script = `"$@" & child=$!; trap "" INT TERM; cat >/dev/null; kill -${signal} $child; wait $child`
  return spawn('sh', ['-c', script, 'sh', ...command], {
    stdio: ['pipe', log, log],
    detached: true,
    ...options,
  })
}

/** Starts a server in that way and waits until it answers at `url`. @returns what stops it @throws if it ends instead */
export async function startServer(
  command: string[],
  url: string,
  options: Options = {},
): Promise<() => Promise<void>> {
  const server = spawnUntilProcessEnds(command, options)
  const stop = async () => {
    server.stdin?.end()
    if (server.exitCode === null) await once(server, 'exit')
  }
  for (let tries = 1; ; tries++) {
    try {
      await fetch(url)
      return stop
    } catch (error) {
      if (server.exitCode === null && tries < 600) await sleep(100)
      else {
        await stop()
        throw new Error(`${command.join(' ')} did not start`, { cause: error })
      }
    }
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  return port
}
