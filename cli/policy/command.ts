import { Option } from 'commander'
import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'
import type { PolicyOptions } from '../commands/policy.ts'
import { PART_NAMES } from './document.ts'

/** Adds `keyturn policy`. */
export function addPolicyCommand({ make, run }: CommandMaker): void {
  make(
    'policy',
    'Print an IAM policy for an application that reads a credential, or for a person who uses Keyturn.',
  )
    .argument('[ID]', ID_TEXT)
    .option('--role <ARN>', 'the role that is to read the credential, of this account or another one')
    .option('--replicas', 'the role may also read the replicas in other Regions')
    .option('--as-parameter', "the role may also read the secret by Parameter Store's name for it")
    .option(
      '--operator',
      'a policy to read everything but values, and to start rotations and checks; no promotions',
    )
    .option('--auditor', 'a policy to read everything but values')
    .option('--caretaker', "an operator's policy, and to enrol credentials and use doctor --fix")
    .option('--deployer', 'policies to deploy and remove the stack')
    .addOption(
      new Option('--account <NUMBER>', 'with --deployer: the account, if the --stage has no stack yet'),
    )
    // The parser accepts any name: the command itself says which parts the policy has.
    .addOption(
      new Option('--part <PART>', 'print this one of several policies')
        .choices(PART_NAMES)
        .argParser(part => part),
    )
    .addOption(
      new Option('--format <FORMAT>', 'the policy itself, or a CloudFormation template that makes it')
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
