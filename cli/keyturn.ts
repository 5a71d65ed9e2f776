#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const help = `Usage: keyturn <command>

  demo        rotate real PostgreSQL users on this machine, and break two of the rotations

  --help      this text
  --version   the version`

/** Runs the command line. @returns the exit code: 0, 1 if the command failed, 2 if it was used wrongly */
async function main(): Promise<number> {
  const asked = parsed()
  if (!asked) return 2
  const { values, positionals } = asked
  if (values.version) {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    console.log(version)
    return 0
  }
  if (positionals.join(' ') === 'demo' && !values.help) {
    await import('../local/demo.ts')
    return Number(process.exitCode ?? 0)
  }
  console.log(help)
  return values.help ? 0 : 2
}

/** Undefined if there is an option that is not known, which is told. */
function parsed() {
  try {
    return parseArgs({
      options: { help: { type: 'boolean' }, version: { type: 'boolean' } },
      allowPositionals: true,
    })
  } catch (error) {
    console.error(`keyturn: ${(error as Error).message}\nWhat there is: keyturn --help`)
    return undefined
  }
}

process.exitCode = await main()
