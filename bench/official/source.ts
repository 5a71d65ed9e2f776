import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The commit of AWS's repository with which RESULTS.md and TIMES.md were made. */
export const RECORDED_COMMIT = 'b4b8eca63e1f61bbcfb18c291b640f4fc3b0deb8'

/** AWS's repository of rotation functions. */
export const REPOSITORY_URL = 'https://github.com/aws-samples/aws-secrets-manager-rotation-lambdas'

/** What to do when AWS's functions are missing. */
export const HOW_TO_GET_SOURCE = `Get AWS's functions by \`git clone ${REPOSITORY_URL}\`, and name the folder: npm run official -- --official PATH`

/** The parts of folder names in AWS's repository, by engine and by strategy. */
const ENGINE_FOLDER_WORDS = { postgres: 'PostgreSQL', mysql: 'MySQL', mariadb: 'MariaDB' } as const
const STRATEGY_FOLDER_WORDS = { single: 'SingleUser', alternating: 'MultiUser' } as const

/** An engine for which both sides have a rotation. */
export type Engine = keyof typeof ENGINE_FOLDER_WORDS
/** `single`: a single user. `alternating`: alternating users. */
export type Strategy = keyof typeof STRATEGY_FOLDER_WORDS
/** All these engines. */
export const ENGINE_NAMES = Object.keys(ENGINE_FOLDER_WORDS) as Engine[]

/** AWS's rotation functions at one commit. */
export type OfficialSource = {
  commit: string
  /** The commit's date, such as `2025-02-25`. */
  date: string
  /** The source text of a function. @throws Error if the commit does not have it */
  read(engine: Engine, strategy: Strategy): Promise<string>
}

/** Whether these are the functions with which the reports were made. Reports are written only then, and only with PostgreSQL. */
export const isRecordedCommit = ({ commit }: OfficialSource) => commit === RECORDED_COMMIT

/** A sentence that says which commit this is, and whether it is another one than that of the reports. */
export const introduceSource = (source: OfficialSource) =>
  `AWS's functions at ${source.commit} of ${source.date}${isRecordedCommit(source) ? '' : `, not the recorded ${RECORDED_COMMIT}: nothing is written`}.`

/** There is no repository at the given path. The message says how to get AWS's functions. */
export class SourceMissing extends Error {}

/**
 * Opens a clone of AWS's repository, or a bare mirror of it. It is only read, by `git`.
 * @throws SourceMissing if there is no repository at the path
 */
export async function openSource(path: string): Promise<OfficialSource> {
  const gitFolder = join(path, '.git')
  // With an explicit --git-dir, git also reads a repository of another user: see safe.directory in
  // https://git-scm.com/docs/git-config
  const git = async (...command: string[]) => {
    const args = [`--git-dir=${existsSync(gitFolder) ? gitFolder : path}`, ...command]
    return (await promisify(execFile)('git', args, { maxBuffer: 10_000_000 })).stdout
  }
  const output = await git('log', '-1', '--format=%H %cs').catch(() => {
    throw new SourceMissing(`There is no git repository at the path given. ${HOW_TO_GET_SOURCE}`)
  })
  const [commit = '', date = ''] = output.trim().split(' ')
  return {
    commit,
    date,
    read: (engine, strategy) => git('show', `${commit}:${fileOf(engine, strategy)}`),
  }
}

const fileOf = (engine: Engine, strategy: Strategy) =>
  `SecretsManagerRDS${ENGINE_FOLDER_WORDS[engine]}Rotation${STRATEGY_FOLDER_WORDS[strategy]}/lambda_function.py`

/** The file in which AWS's functions look for trusted root certificates. Amazon Linux has it. */
const ISSUERS_PATH = '/etc/pki/tls/cert.pem'
/**
 * How AWS's functions check whether a MySQL has no function PASSWORD(), which MySQL 8 removed:
 * https://dev.mysql.com/doc/refman/8.0/en/mysql-nutshell.html
 */
const VERSION_CHECK_8 = 'version.startswith("8")'
/** The same check, changed so that it is also true of MySQL 9. */
const VERSION_CHECK_8_AND_9 = 'version.startswith(("8", "9"))'

/**
 * Changes the source text of one of AWS's functions so that it can run here.
 * @param issuersFile the file of trusted root certificates, in place of the one of Amazon Linux
 * @param options with `knowsMysql9` the function treats MySQL 9 like MySQL 8; each number in the reports that this concerns says so
 * @throws Error if the text does not have what is to be changed exactly once
 */
export function adaptSource(text: string, issuersFile: string, { knowsMysql9 = false } = {}): string {
  const adapted = replaceOnce(text, ISSUERS_PATH, issuersFile)
  return knowsMysql9 ? replaceOnce(adapted, VERSION_CHECK_8, VERSION_CHECK_8_AND_9) : adapted
}

function replaceOnce(text: string, before: string, after: string): string {
  const parts = text.split(before)
  if (parts.length !== 2) throw new Error(`AWS's function has ${before} ${parts.length - 1} times, not once`)
  return parts.join(after)
}
