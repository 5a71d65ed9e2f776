import type { Context } from '../context.ts'
import type { ExitCode } from '../exit.ts'

export async function rotate(
  _c: Context,
  _ids: string[],
  _o: { allDue?: true; wait: boolean },
): Promise<ExitCode> {
  return 0
}
