import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The commit that RESULTS.md and TIMES.md were made with. */
export const RECORDED_COMMIT = 'b4b8eca63e1f61bbcfb18c291b640f4fc3b0deb8'

export const REPOSITORY_URL = 'https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas'
export const HOW_TO_GET_SOURCE = `Get AWS's functions by \`git clone ${REPOSITORY_URL}\`, and name the folder: npm run official -- --official PATH`

const ENGINE_TITLES = { postgres: 'PostgreSQL', mysql: 'MySQL', mariadb: 'MariaDB' } as const
const STRATEGY_TITLES = { single: 'SingleUser', alternating: 'MultiUser' } as const
export type Engine = keyof typeof ENGINE_TITLES
export type Strategy = keyof typeof STRATEGY_TITLES
export const ENGINE_NAMES = Object.keys(ENGINE_TITLES) as Engine[]

/** AWS's rotation functions at one commit. */
export type OfficialSource = {
  commit: string
  /** As `2025-02-25`. */
  date: string
  /** The text of a function. @throws if the commit does not have it */
  read(engine: Engine, strategy: Strategy): Promise<string>
}

export const isRecordedCommit = ({ commit }: OfficialSource) => commit === RECORDED_COMMIT

/** Says which functions these are, and whether they are others than those that the reports are of. */
export const introduceSource = (source: OfficialSource) =>
  `AWS's functions at ${source.commit} of ${source.date}${isRecordedCommit(source) ? '' : `, not the recorded ${RECORDED_COMMIT}: nothing is written`}.`

/** AWS's functions are not where they should be. Its message says how to get them. */
export class SourceMissing extends Error {}

/**
 * Opens a clone of AWS's repository, or a bare mirror of it. Only `git` reads in it, and nothing is written there.
 * @throws SourceMissing if there is no repository at the path
 */
export async function openSource(path: string): Promise<OfficialSource> {
  const inside = join(path, '.git')
  // Named in full, so that git also reads what belongs to another user.
  const git = async (...words: string[]) => {
    const all = [`--git-dir=${existsSync(inside) ? inside : path}`, ...words]
    return (await promisify(execFile)('git', all, { maxBuffer: 10_000_000 })).stdout
  }
  const said = await git('log', '-1', '--format=%H %cs').catch(() => {
    throw new SourceMissing(`There is no git repository at the path given. ${HOW_TO_GET_SOURCE}`)
  })
  const [commit = '', date = ''] = said.trim().split(' ')
  return {
    commit,
    date,
    read: (engine, strategy) => git('show', `${commit}:${fileOf(engine, strategy)}`),
  }
}

const fileOf = (engine: Engine, strategy: Strategy) =>
  `SecretsManagerRDS${ENGINE_TITLES[engine]}Rotation${STRATEGY_TITLES[strategy]}/lambda_function.py`

/** Where AWS's functions look for the issuers of a database's certificate: Amazon Linux has such a file. */
const ISSUERS_PATH = '/etc/pki/tls/cert.pem'
/** How they ask whether a MySQL has no PASSWORD() any more, which is so since version 8. */
const VERSION_CHECK_8 = 'version.startswith("8")'
const VERSION_CHECK_8_AND_9 = 'version.startswith(("8", "9"))'

/**
 * A function's text as it can run here: with the issuers in the file `issuers`. With `knowsMysql9` it takes MySQL 9 for
 * what it takes MySQL 8 for; of that nothing else is changed, and every figure of it is marked.
 * @throws if the text does not have what is to be changed exactly once
 */
export function adaptSource(text: string, issuers: string, { knowsMysql9 = false } = {}): string {
  const here = replaceOnce(text, ISSUERS_PATH, issuers)
  return knowsMysql9 ? replaceOnce(here, VERSION_CHECK_8, VERSION_CHECK_8_AND_9) : here
}

function replaceOnce(text: string, before: string, after: string): string {
  const parts = text.split(before)
  if (parts.length !== 2) throw new Error(`AWS's function has ${before} ${parts.length - 1} times, not once`)
  return parts.join(after)
}
