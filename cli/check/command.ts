import { ids, type Making } from '../looks.ts'

/** `keyturn check`. */
export function addCheck({ make, run }: Making): void {
  make('check', 'Whether a rotation would go well, line by line, with what to do; it changes nothing.')
    .argument('<ID...>', ids)
    .action(async (ids: string[], _, command) =>
      run(command, async context => {
        const { check } = await import('../commands/check.ts')
        return check(context, ids)
      }),
    )
}
