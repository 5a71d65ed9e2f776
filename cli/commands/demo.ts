import { existsSync } from 'node:fs'
import { EXIT, type ExitCode, usageError } from '../exit.ts'

/** Runs `demo`. @throws CommandError in the npm package, which has neither the database servers nor the functions */
export async function runDemoCommand(): Promise<ExitCode> {
  const file = new URL('../../local/demo.ts', import.meta.url)
  const isInRepository = import.meta.url.endsWith('/cli/commands/demo.ts')
  if (!isInRepository || !existsSync(file))
    throw usageError(
      'the demo needs the repository, which has the functions that it runs',
      'Clone it, then `npm ci` and `npm run demo`.',
    )
  await import(file.href)
  return process.exitCode ? EXIT.failed : EXIT.done
}
