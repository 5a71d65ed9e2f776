import { type CommandMaker, ID_TEXT } from '../commandMaker.ts'

/** `keyturn check`. */
export function addCheckCommand({ make, run }: CommandMaker): void {
  make('check', 'Whether a rotation would go well, line by line, with what to do; it changes nothing.')
    .argument('<ID...>', ID_TEXT)
    .action(async (ids: string[], _, command) =>
      run(command, async context => {
        const { runCheckCommand } = await import('../commands/check.ts')
        return runCheckCommand(context, ids)
      }),
    )
}
