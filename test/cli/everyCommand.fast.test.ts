import { expect, test } from 'vitest'
import { permissionNeeds } from '../../cli/policy/needs.ts'
import { makeProgram } from '../../cli/program.ts'

/** Commands that call no more of AWS than every command does, or every one with an ID. */
const NEEDS_NOTHING = ['policy', 'version', 'demo', 'complete']

const commands = makeProgram(() => {}).commands.map(command => command.name())

test.each(commands.filter(name => !NEEDS_NOTHING.includes(name)))(
  'it is listed which permissions %s needs',
  name => {
    expect(permissionNeeds.map(need => need.purpose).join('\n')).toMatch(new RegExp(`\`${name}\\b`))
  },
)
