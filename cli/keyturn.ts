#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const help = `Usage: keyturn <command>

  demo        rotate real PostgreSQL users on this machine, and break two of the rotations

  --help      this text
  --version   the version`

/** Runs the command line. @returns the exit code: 0, 1 if the command failed, 2 if there is no such command */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean' }, version: { type: 'boolean' } },
    allowPositionals: true,
    strict: false,
  })
  const [command] = positionals
  if (values.version) {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    console.log(version)
    return 0
  }
  if (command === 'demo') {
    await import('../local/demo.ts')
    return Number(process.exitCode ?? 0)
  }
  console.log(help)
  return values.help ? 0 : 2
}

process.exitCode = await main()
