import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Runs a command that gets `signal` as soon as its standard input closes. The kernel closes it when this process
 * ends, also when it crashes, so the command never outlives us. `log` is the file that its output goes to.
 */
export function spawnUntilWeEnd(
  command: string[],
  {
    cwd,
    log = 'ignore',
    signal = 'TERM',
  }: { cwd?: string; log?: number | 'ignore'; signal?: 'INT' | 'TERM' },
): ChildProcess {
  const script = `"$@" & child=$!; trap "" INT TERM; cat >/dev/null; kill -${signal} $child; wait $child`
  return spawn('sh', ['-c', script, 'sh', ...command], { stdio: ['pipe', log, log], cwd, detached: true })
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  return port
}
