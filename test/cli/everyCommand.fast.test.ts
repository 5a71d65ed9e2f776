import { expect, test } from 'vitest'
import { permissionNeeds } from '../../cli/policy/needs.ts'
import { makeProgram } from '../../cli/program.ts'

/** Commands that make only the AWS calls that all commands make, or all with an ID. */
const NEEDS_NOTHING = ['policy', 'version', 'demo', 'complete']

const commands = makeProgram(() => {}).commands.map(command => command.name())

test.each(commands.filter(name => !NEEDS_NOTHING.includes(name)))(
  'the permissions that %s needs are listed',
  name => {
    expect(permissionNeeds.map(need => need.purpose).join('\n')).toMatch(new RegExp(`\`${name}\\b`))
  },
)
