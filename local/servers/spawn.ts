import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** `log` is the file descriptor to which the output goes, `signal` the signal that ends the command. */
type Options = { cwd?: string; env?: NodeJS.ProcessEnv; log?: number | 'ignore'; signal?: 'INT' | 'TERM' }

/**
 * Runs a command that never outlives this process: a shell around it sends the command a signal as soon as its own standard input
 * closes, and the kernel closes that when this process ends, also when it crashes.
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

/**
 * Starts a server that never outlives this process, and waits until it answers at `url`, with whatever HTTP status.
 * @returns a function that stops the server
 * @throws Error if the server ends or does not answer for a minute
 */
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

/** Finds a free port of 127.0.0.1. Another process could take the port before it is used. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  return port
}
