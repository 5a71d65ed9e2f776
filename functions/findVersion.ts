import { findVersion } from '../rotation/promotion/findVersion.ts'
import { functionHandler } from './shared/handler.ts'
import { ownHosts } from './shared/ownHosts.ts'
import { pipelines } from './shared/ownPipelines.ts'
import { parseFindVersionEvent } from './shared/promotionEvent.ts'

const hosts = ownHosts()

/**
 * Finds which version of a replica logs in to the database of this Region, for a promotion away from the Region `from`. The
 * function returns that version, or why there is none, and changes nothing. In a rehearsal of the promotion (`rehearsal`) it tries
 * the current version alone.
 */
export const handler = functionHandler(
  'findVersion',
  parseFindVersionEvent,
  ({ arn, from, rehearsal }) => ({ id: arn, from, rehearsal }),
  async wanted => findVersion({ ...(await pipelines.of('secrets-manager')), hosts }, wanted),
)
