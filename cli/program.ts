import { Argument, Command, Option } from 'commander'
import { addAudit } from './audit/command.ts'
import { addCheck } from './check/command.ts'
import { type Shell, scripts } from './complete/scripts.ts'
import { type Context, contextOf, type GlobalOptions } from './context.ts'
import { addCost } from './cost/command.ts'
import { addDoctor } from './doctor/command.ts'
import { addEnrol } from './enrol/command.ts'
import { type ExitCode, meanings } from './exit.ts'
import { formatItem } from './help.ts'
import { addLooks, ids, type Making } from './looks.ts'
import { addPolicy } from './policy/command.ts'
import { addPromotion } from './promotion/command.ts'
import { addReaders } from './readers/command.ts'
import { addReplicas } from './replicas/command.ts'
import { ownVersion } from './version.ts'

/** Told how the command ended. */
type Ended = (code: ExitCode) => void

/**
 * The command line: every command with its options. What a command does is in commands/, and is loaded only when it is
 * called: --help loads none of it.
 */
export function programOf(ended: Ended): Command {
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
    ended(await act(contextOf(command.optsWithGlobals<GlobalOptions>(), process, process.env)))

  for (const add of adders) add({ make, run })

  return program
}

const adders = [
  ...[addRotate, addEnrol, addCheck, addLooks, addReaders, addAudit, addCost, addDoctor, addReplicas],
  ...[addPromotion, addPolicy, addRest],
]

function addRotate({ make, run }: Making): void {
  make('rotate', 'Rotate credentials now, and show how each rotation goes.')
    .argument('[ID...]', ids)
    .option('--all-due', 'start a run of all that is due instead')
    .option('--no-wait', 'start only, and do not look on')
    .action(async (ids: string[], options: { allDue?: true; wait: boolean }, command) =>
      run(command, async context => {
        const { rotate } = await import('./commands/rotate.ts')
        return rotate(context, ids, options)
      }),
    )
}

function addRest({ make, run }: Making): void {
  make('version', 'The versions of this command and of the stack, and how its peers differ.').action(
    async (_, command) =>
      run(command, async context => {
        const { version } = await import('./commands/version.ts')
        return version(context)
      }),
  )

  make('demo', 'Rotate real PostgreSQL users on this machine, and break three of the rotations.').action(
    async (_, command) =>
      run(command, async () => {
        const { demo } = await import('./commands/demo.ts')
        return demo()
      }),
  )

  make('complete', 'Print what a shell needs to complete commands, options and names.')
    .addArgument(new Argument('<SHELL>', 'your shell').choices(Object.keys(scripts)))
    .addHelpText('after', completionHelp)
    .action((shell: Shell) => {
      process.stdout.write(`${scripts[shell]}\n`)
    })
}

const completionHelp = `
To keep it, in ~/.bashrc or, after compinit, in ~/.zshrc:
  eval "$(keyturn complete bash)"
In fish's configuration:
  keyturn complete fish | source`

const exitCodes = () =>
  Object.entries(meanings)
    .map(([code, meaning]) => `  ${code}  ${meaning}`)
    .join('\n')
