import type { CommandMaker } from '../commandMaker.ts'
import { parseRegion } from '../replicas/command.ts'
import type { FailbackOptions } from './failback.ts'
import type { PromoteOptions } from './request.ts'

const SECRET_ID_TEXT = 'a secret: its ARN, secret:NAME, or its name; all, if none is given'

/** The commands for the day on which a Region is lost, and for the way back. */
export function addPromotionCommands({ make, run }: CommandMaker): void {
  make(
    'promote',
    "Have this Region's replicas of a lost Region stand on their own, and rotate here; or rehearse it.",
  )
    .argument('[ID...]', SECRET_ID_TEXT)
    .option('--from <REGION>', 'the Region that was lost, or is to be left', parseRegion)
    .option('--planned', 'the other Region hands over first: nothing is lost')
    .option('--lost', 'go on though AWS answers there: what it stored last may be lost')
    .option('--dry-run', 'look whether it would go well, and change nothing')
    .option('--again', 'also try logins again that a server has refused, which may lock accounts')
    .option('--confirm <REGION>', 'the answer to the question, where nobody can type it')
    .action(async (ids: string[], options: PromoteOptions, command) =>
      run(command, async context => {
        const { runPromoteCommand } = await import('../commands/promote.ts')
        return runPromoteCommand(context, ids, options)
      }),
    )

  make('failback', 'Look what stands between here and a Region that is back; nothing is changed.')
    .argument('[ID...]', SECRET_ID_TEXT)
    .option('--check', 'look at each secret that was promoted here')
    .option('--to <REGION>', 'the Region that was lost, and is back', parseRegion)
    .action(async (ids: string[], options: FailbackOptions, command) =>
      run(command, async context => {
        const { runFailbackCommand } = await import('../commands/failback.ts')
        return runFailbackCommand(context, ids, options)
      }),
    )
}
