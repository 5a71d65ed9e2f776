import { readFileSync } from 'node:fs'

/** The version of this command: in the repository as in the package, the manifest lies one folder up. */
export const ownVersion = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
