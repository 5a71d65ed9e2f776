import { Argument, Command, Option } from 'commander'
import { addAuditCommand } from './audit/command.ts'
import { addCheckCommand } from './check/command.ts'
import { addStatusCommands, type CommandMaker, ID_TEXT } from './commandMaker.ts'
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
import { ownVersion } from './version.ts'

/** Told how the command ended. */
type OnEnd = (code: ExitCode) => void

/**
 * The command line: every command with its options. What a command does is in commands/, and is loaded only when it is
 * called: --help loads none of it.
 */
export function makeProgram(ended: OnEnd): Command {
  const program = new Command('keyturn')
    .description('Rotates credentials on AWS, and says how they are.')
    .version(ownVersion(), '--version', 'the version of this command')
    .helpOption('--help', 'this text, or that of a command')
    .helpCommand(false)
    .addOption(
      new Option('--stage <name>', 'the stack, by its stage; needless if there is only one').env(
        'KEYTURN_STAGE',
      ),
    )
    .option('--profile <name>', 'the profile of AWS, as in ~/.aws/config')
    .option('--region <name>', 'the Region of AWS')
    .option('--json', 'print one JSON document')
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 15, formatItem })
    .addHelpText('after', `\nExit codes:\n${exitCodes()}`)
    .exitOverride()

  const make = (name: string, description: string) =>
    program.command(name).description(description).helpOption('--help', 'this text')
  /** Runs what `command` does with its context, and tells how that ended. */
  const run = async (command: Command, act: (context: Context) => Promise<ExitCode>) =>
    ended(await act(makeContext(command.optsWithGlobals<GlobalOptions>(), process, process.env)))

  for (const add of commandAdders) add({ make, run })

  return program
}

const commandAdders = [
  ...[
    addRotateCommand,
    addEnrolCommands,
    addCheckCommand,
    addStatusCommands,
    addReadersCommand,
    addAuditCommand,
    addCostCommand,
    addDoctorCommand,
    addReplicasCommand,
  ],
  ...[addPromotionCommands, addPolicyCommand, addOtherCommands],
]

function addRotateCommand({ make, run }: CommandMaker): void {
  make('rotate', 'Rotate credentials now, and show how each rotation goes.')
    .argument('[ID...]', ID_TEXT)
    .option('--all-due', 'start a run of all that is due instead')
    .option('--no-wait', 'start only, and do not look on')
    .action(async (ids: string[], options: { allDue?: true; wait: boolean }, command) =>
      run(command, async context => {
        const { runRotateCommand } = await import('./commands/rotate.ts')
        return runRotateCommand(context, ids, options)
      }),
    )
}

function addOtherCommands({ make, run }: CommandMaker): void {
  make('version', 'The versions of this command and of the stack, and how its peers differ.').action(
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

  make('complete', 'Print what a shell needs to complete commands, options and names.')
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
