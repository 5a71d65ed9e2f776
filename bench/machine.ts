import { arch, availableParallelism, cpus, loadavg, type } from 'node:os'

/** Such as `Linux on x64, 2 processors (AMD EPYC), Node 24.21.0`. */
export const describeMachine = () =>
  `${type()} on ${arch()}, ${availableParallelism()} processors (${cpus()[0]?.model.trim()}), Node ${process.versions.node}`

/** What is to be said behind these load averages: nothing, if the processors could do as much. */
export const overloadNote = (...loads: number[]) =>
  Math.max(...loads) > availableParallelism() ? ': more than they can do, so the times are too long' : ''

/** What a TIMES.md says first: when and where its times were measured. Called at the end of a measurement. */
export function measuredHere(): string {
  const load = loadavg()[0] ?? 0
  return `Measured on ${new Date().toISOString().slice(0, 10)}, on ${describeMachine()}.
The load average of the last minute was ${load.toFixed(1)} at the end${overloadNote(load)}.
Times depend on the machine and on what else it does: compare them only with times from the same machine.`
}
