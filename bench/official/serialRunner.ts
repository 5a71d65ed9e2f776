/**
 * Runs what it is given one after the other, in the order in which it came, also where an execution has branches that go on
 * side by side: so what is seen meanwhile belongs to one of them.
 */
export function makeSerialRunner(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return run => {
    const ended = last.then(run)
    last = ended.catch(() => {})
    return ended
  }
}
