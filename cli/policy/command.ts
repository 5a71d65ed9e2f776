import { Option } from 'commander'
import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'
import type { PolicyOptions } from '../commands/policy.ts'
import { PART_NAMES } from './document.ts'

/** The command that prints policies of IAM. */
export function addPolicyCommand({ make, run }: CommandMaker): void {
  make('policy', 'The IAM policy of an application that reads a credential, or of a person who uses Keyturn.')
    .argument('[ID]', ID_TEXT)
    .option('--role <ARN>', 'the role that is to read it, of this account or another one')
    .option('--replicas', 'also its replicas in other Regions')
    .option('--as-parameter', "also by Parameter Store's name for a secret")
    .option('--operator', 'for who starts rotations and checks, and looks; promotes nothing')
    .option('--auditor', 'for who looks alone')
    .option('--caretaker', 'for an operator who enrols credentials too, and mends with doctor --fix')
    .option('--deployer', 'for who deploys the stack, and removes it')
    .addOption(
      new Option('--account <NUMBER>', 'with --deployer, where no stack of the --stage is there yet'),
    )
    // Which of them there are, only the policy tells.
    .addOption(
      new Option('--part <PART>', 'which of several policies').choices(PART_NAMES).argParser(part => part),
    )
    .addOption(
      new Option('--format <FORMAT>', 'the policy itself, or a template that makes it')
        .choices(['json', 'cloudformation'])
        .default('json'),
    )
    .action(async (id: string | undefined, options: PolicyOptions, command) =>
      run(command, async context => {
        const { runPolicyCommand } = await import('../commands/policy.ts')
        return runPolicyCommand(context, id, options)
      }),
    )
}
