import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** @throws if there is no `java` or no `mvn` that answers */
export async function checkMaven(): Promise<void> {
  await Promise.all([run('java', ['-version']), run('mvn', ['-v'])])
}
