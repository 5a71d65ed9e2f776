/**
 * Aborted when somebody asks to stop, by Ctrl-C or by a signal; asked again, the process ends at once. The listener stays:
 * whoever restores a terminal's cursor ends the process if nobody else listens.
 */
export function listenForInterrupt(): AbortSignal {
  const controller = new AbortController()
  const { signal } = controller
  const stop = () => (signal.aborted ? process.exit(130) : controller.abort())
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, stop)
  return signal
}
