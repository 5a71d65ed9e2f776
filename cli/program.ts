import { Argument, Command, Option } from 'commander'
import { addAuditCommand } from './audit/command.ts'
import { addCheckCommand } from './check/command.ts'
import { type CommandMaker, ID_TEXT } from './commandMaker.ts'
import { COMPLETION_SCRIPTS, type Shell } from './complete/scripts.ts'
import { type Context, type GlobalOptions, makeContext } from './context.ts'
import { addCostCommand } from './cost/command.ts'
import { addDoctorCommand } from './doctor/command.ts'
import { addEnrolCommands } from './enrol/command.ts'
import { EXIT_MEANINGS, type ExitCode } from './exit.ts'
import { formatItem } from './help.ts'
import { addPolicyCommand } from './policy/command.ts'
import { addPromotionCommands } from './promotion/command.ts'
import { addReadersCommand } from './readers/command.ts'
import { addReplicasCommand } from './replicas/command.ts'
import { addStatusCommands } from './status/command.ts'
import { ownVersion } from './version.ts'

/** Called with the exit code of a command that has ended. */
type OnEnd = (code: ExitCode) => void

/**
 * Makes the command line: every command with its options. The code of each command is in commands/ and is loaded only when the
 * command runs, so that --help starts fast.
 */
export function makeProgram(onEnd: OnEnd): Command {
  const program = new Command('keyturn')
    .description('Rotates credentials on AWS, and shows their state.')
    .version(ownVersion(), '--version', 'the version of this command')
    .helpOption('--help', 'this text, or the help of a command')
    .helpCommand(false)
    .addOption(
      new Option('--stage <name>', 'the stage of the stack; not needed if there is only one stack').env(
        'KEYTURN_STAGE',
      ),
    )
    .option('--profile <name>', 'the AWS profile, as in ~/.aws/config')
    .option('--region <name>', 'the AWS Region')
    .option('--json', 'print one JSON document')
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 15, formatItem })
    .addHelpText('after', `\nExit codes:\n${exitCodes()}`)
    .exitOverride()

  const make = (name: string, description: string) =>
    program.command(name).description(description).helpOption('--help', 'this text')
  const run = async (command: Command, act: (context: Context) => Promise<ExitCode>) =>
    onEnd(await act(makeContext(command.optsWithGlobals<GlobalOptions>(), process, process.env)))

  for (const add of commandAdders) add({ make, run })

  return program
}

/** The functions that add the commands, in the order of --help. */
const commandAdders = [
  addRotateCommand,
  addEnrolCommands,
  addCheckCommand,
  addStatusCommands,
  addReadersCommand,
  addAuditCommand,
  addCostCommand,
  addDoctorCommand,
  addReplicasCommand,
  addPromotionCommands,
  addPolicyCommand,
  addOtherCommands,
]

function addRotateCommand({ make, run }: CommandMaker): void {
  make('rotate', 'Rotate credentials now, and show the progress of each rotation.')
    .argument('[ID...]', ID_TEXT)
    .option('--all-due', 'instead start a run that rotates every credential that is due')
    .option('--no-wait', 'start the rotations only, and do not wait for their end')
    .action(async (ids: string[], options: { allDue?: true; wait: boolean }, command) =>
      run(command, async context => {
        const { runRotateCommand } = await import('./commands/rotate.ts')
        return runRotateCommand(context, ids, options)
      }),
    )
}

function addOtherCommands({ make, run }: CommandMaker): void {
  make('version', 'The versions of this command and of the stack, and how its peer stacks differ.').action(
    async (_, command) =>
      run(command, async context => {
        const { runVersionCommand } = await import('./commands/version.ts')
        return runVersionCommand(context)
      }),
  )

  make('demo', 'Rotate real PostgreSQL users on this machine, and break three of the rotations.').action(
    async (_, command) =>
      run(command, async () => {
        const { runDemoCommand } = await import('./commands/demo.ts')
        return runDemoCommand()
      }),
  )

  make('complete', 'Print a script with which a shell completes commands, options and names.')
    .addArgument(new Argument('<SHELL>', 'your shell').choices(Object.keys(COMPLETION_SCRIPTS)))
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: Shell) => {
      process.stdout.write(`${COMPLETION_SCRIPTS[shell]}\n`)
    })
}

const COMPLETION_HELP = `
To keep it, in ~/.bashrc or, after compinit, in ~/.zshrc:
  eval "$(keyturn complete bash)"
In fish's configuration:
  keyturn complete fish | source`

const exitCodes = () =>
  Object.entries(EXIT_MEANINGS)
    .map(([code, meaning]) => `  ${code}  ${meaning}`)
    .join('\n')
