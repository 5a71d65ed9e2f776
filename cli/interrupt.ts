/**
 * Aborted when somebody asks to stop, by Ctrl-C or by a signal. Asked a second time, the process ends at once, as a process
 * does that hears nothing of signals.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
  return controller.signal
}
