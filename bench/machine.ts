import { arch, availableParallelism, cpus, loadavg, type } from 'node:os'

/** This machine in words, such as `Linux on x64, 2 processors (AMD EPYC), Node 24.21.0`. */
export const describeMachine = () =>
  `${type()} on ${arch()}, ${availableParallelism()} processors (${cpus()[0]?.model.trim()}), Node ${process.versions.node}`

/** A remark for the end of a sentence on load averages: if one is higher than the number of processors, the times are too long. */
export const overloadNote = (...loads: number[]) =>
  Math.max(...loads) > availableParallelism()
    ? ': more than the processors can do, so the times are too long'
    : ''

/** The lines of a TIMES.md that say when and where its times were measured. Call this when the measurement ends: it reads the load. */
export function measuredHere(): string {
  const load = loadavg()[0] ?? 0
  return `Measured on ${new Date().toISOString().slice(0, 10)}, on ${describeMachine()}.
The load average of the last minute was ${load.toFixed(1)} at the end${overloadNote(load)}.
Times depend on the machine and on what else it does: compare them only with times from the same machine.`
}
