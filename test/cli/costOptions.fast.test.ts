import { expect, test } from 'vitest'
import { makeProgram } from '../../cli/program.ts'

const parsed = (...words: string[]) => {
  const program = makeProgram(() => {})
  for (const command of [program, ...program.commands])
    command.configureOutput({ outputError() {} }).exitOverride()
  return program.parseAsync(['cost', ...words], { from: 'user' })
}

test.each([
  ['--reads-per-day', 'often'],
  ['--reads-per-day', '-1'],
  ['--zones', '0'],
  ['--zones', '1.5'],
  ['--interval', '1h'],
  ['--interval', '90'],
  ['--replicas', '-1'],
  ['--network', 'vpn'],
  ['--tier', 'gold'],
  ['--credits', '1e9'],
])('%s %s is refused before anything is asked', async (option, value) => {
  await expect(parsed(option, value)).rejects.toMatchObject({ code: 'commander.invalidArgument' })
})
