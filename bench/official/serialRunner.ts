/**
 * Makes a function that runs what it is given one after the other. Thereby the tasks of a Parallel state do not overlap, and what
 * is seen during one belongs to it.
 */
export function makeSerialRunner(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return run => {
    const ended = last.then(run)
    last = ended.catch(() => {})
    return ended
  }
}
