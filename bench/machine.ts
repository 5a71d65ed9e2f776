import { arch, availableParallelism, cpus, type } from 'node:os'

/** Such as `Linux on x64, 2 processors (AMD EPYC), Node 24.21.0`. */
export const describeMachine = () =>
  `${type()} on ${arch()}, ${availableParallelism()} processors (${cpus()[0]?.model.trim()}), Node ${process.versions.node}`

/** What is to be said behind these load averages: nothing, if the processors could do as much. */
export const overloadNote = (...loads: number[]) =>
  Math.max(...loads) > availableParallelism() ? ': more than they can do, so the times are too long' : ''
