import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'

/** Adds `keyturn check`. */
export function addCheckCommand({ make, run }: CommandMaker): void {
  make('check', 'Check whether a rotation would go well, and what to do if not; changes nothing.')
    .argument('<ID...>', ID_TEXT)
    .action(async (ids: string[], _, command) =>
      run(command, async context => {
        const { runCheckCommand } = await import('../commands/check.ts')
        return runCheckCommand(context, ids)
      }),
    )
}
