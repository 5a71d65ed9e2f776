import type { Making } from '../looks.ts'
import { region } from '../replicas/command.ts'
import type { FailbackOptions } from './failback.ts'
import type { PromoteOptions } from './request.ts'

const ids = 'a secret: its ARN, secret:NAME, or its name; all, if none is given'

/** The commands for the day on which a Region is lost, and for the way back. */
export function addPromotion({ make, run }: Making): void {
  make(
    'promote',
    "Have this Region's replicas of a lost Region stand on their own, and rotate here; or rehearse it.",
  )
    .argument('[ID...]', ids)
    .option('--from <REGION>', 'the Region that was lost, or is to be left', region)
    .option('--planned', 'the other Region hands over first: nothing is lost')
    .option('--lost', 'go on though AWS answers there: what it stored last may be lost')
    .option('--dry-run', 'look whether it would go well, and change nothing')
    .option('--again', 'also try logins again that a server has refused, which may lock accounts')
    .option('--confirm <REGION>', 'the answer to the question, where nobody can type it')
    .action(async (ids: string[], options: PromoteOptions, command) =>
      run(command, async context => {
        const { promote } = await import('../commands/promote.ts')
        return promote(context, ids, options)
      }),
    )

  make('failback', 'Look what stands between here and a Region that is back; nothing is changed.')
    .argument('[ID...]', ids)
    .option('--check', 'look at each secret that was promoted here')
    .option('--to <REGION>', 'the Region that was lost, and is back', region)
    .action(async (ids: string[], options: FailbackOptions, command) =>
      run(command, async context => {
        const { failback } = await import('../commands/failback.ts')
        return failback(context, ids, options)
      }),
    )
}
