/**
 * Listens for Ctrl-C (SIGINT) and SIGTERM. The first aborts the returned signal; a second ends the process at once. The
 * listeners are never removed: listr2, which draws the progress, restores the cursor on SIGINT and then ends the process if
 * nothing else listens.
 */
export function listenForInterrupt(): AbortSignal {
  const controller = new AbortController()
  const { signal } = controller
  const stop = () => (signal.aborted ? process.exit(130) : controller.abort())
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, stop)
  return signal
}
