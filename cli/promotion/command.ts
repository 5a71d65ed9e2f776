import type { CommandMaker } from '../commandMaker.ts'
import { parseRegion } from '../optionParsers.ts'
import type { FailbackOptions } from './failback.ts'
import type { PromoteOptions } from './request.ts'

const SECRET_ID_TEXT = 'a secret: its ARN, secret:NAME, or its name; all, if none is given'

/** Adds `keyturn promote` and `keyturn failback`, for the loss of a Region and the way back. */
export function addPromotionCommands({ make, run }: CommandMaker): void {
  make(
    'promote',
    "Promote this Region's replicas of a lost Region, so that they rotate here; or rehearse that.",
  )
    .argument('[ID...]', SECRET_ID_TEXT)
    .option('--from <REGION>', 'the Region that was lost, or is to be left', parseRegion)
    .option('--planned', 'wait for the other Region to hand over first: nothing is lost')
    .option('--lost', 'go on although AWS answers there: the latest values of that Region may be lost')
    .option('--dry-run', 'check whether a promotion would succeed, and change nothing')
    .option('--again', 'also retry logins that a server has refused, which may lock accounts')
    .option('--confirm <REGION>', 'confirm without a question, for scripts')
    .action(async (ids: string[], options: PromoteOptions, command) =>
      run(command, async context => {
        const { runPromoteCommand } = await import('../commands/promote.ts')
        return runPromoteCommand(context, ids, options)
      }),
    )

  make(
    'failback',
    'Check what has to be done before a Region that is back can take over again; changes nothing.',
  )
    .argument('[ID...]', SECRET_ID_TEXT)
    .option('--check', 'check each secret that was promoted here')
    .option('--to <REGION>', 'the Region that was lost, and is back', parseRegion)
    .action(async (ids: string[], options: FailbackOptions, command) =>
      run(command, async context => {
        const { runFailbackCommand } = await import('../commands/failback.ts')
        return runFailbackCommand(context, ids, options)
      }),
    )
}
