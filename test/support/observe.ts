import { vi } from 'vitest'

/** @returns the error with which a promise is rejected @throws Error if it is not rejected, or not with an Error */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it did not fail')
}

/** Keeps what this process writes to stdout and stderr instead of showing it, until mocks are restored. */
export function captureOutput(): string[] {
  const written: string[] = []
  const keep = (chunk: unknown) => {
    written.push(String(chunk))
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(keep)
  vi.spyOn(process.stderr, 'write').mockImplementation(keep)
  return written
}
