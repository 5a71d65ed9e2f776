import * as v from 'valibot'
import { type Options, parseOptions } from '../rotation/options.ts'
import { passwordSettings } from '../rotation/password.ts'

const text = v.pipe(v.string(), v.nonEmpty())
const schema = v.object({
  KEYTURN_CA_FILE: v.optional(text, '/var/runtime/ca-cert.pem'),
  KEYTURN_EXECUTIONS: v.exactOptional(text),
  KEYTURN_GRACE: v.exactOptional(text),
})

export type Environment = {
  /** PEM file of the issuers to trust. By default Lambda's own, which holds the roots of RDS. */
  caFile: string
  /** What the ARNs of this stack's rotate executions begin with, up to the name. */
  executions: string | undefined
  defaults: Options
}

/**
 * Reads the function's environment. An empty variable counts as unset, as CloudFormation cannot leave one out.
 * @throws InvalidOption
 */
export function parseEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const given = Object.fromEntries(
    Object.entries(variables).filter((entry): entry is [string, string] => Boolean(entry[1])),
  )
  const { KEYTURN_CA_FILE, KEYTURN_EXECUTIONS, KEYTURN_GRACE } = v.parse(schema, given)
  const options = Object.keys(passwordSettings.entries).flatMap(name =>
    given[name] ? [[name, given[name]]] : [],
  )
  return {
    caFile: KEYTURN_CA_FILE,
    executions: KEYTURN_EXECUTIONS,
    defaults: parseOptions({
      ...Object.fromEntries(options),
      ...(KEYTURN_GRACE && { grace: KEYTURN_GRACE }),
    }),
  }
}
