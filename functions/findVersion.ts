import { findVersion } from '../rotation/promotion/findVersion.ts'
import { functionHandler } from './shared/handler.ts'
import { ownHosts } from './shared/ownHosts.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { parseFindVersionEvent } from './shared/promotionEvent.ts'

const hosts = ownHosts()

/**
 * Finds which version of a replica secret the database of this Region accepts, and returns the version's id. It changes nothing.
 */
export const handler = functionHandler(
  'findVersion',
  parseFindVersionEvent,
  // What the lines of the log say of the call.
  ({ arn, from, rehearsal }) => ({ id: arn, from, rehearsal }),
  async wanted => findVersion({ ...(await pipelines.of('secrets-manager')), hosts }, wanted),
)
