/** Shortens a text to at most `most` characters by cutting its beginning: long names differ more often at their ends. */
export const keepEnd = (text: string, most: number) =>
  text.length > most ? `...${text.slice(text.length + 3 - most)}` : text

/** Lists as many of the names as `most` characters hold, and how many of `count` are left out. */
export function listNames(names: string[], count: number, most = 2000): string {
  let room = most
  const shown = names.filter(name => {
    room -= name.length + 2
    return room > 0
  })
  const left = Math.max(count, names.length) - shown.length
  return [shown.join(', '), left > 0 ? `${left} more` : ''].filter(Boolean).join(' and ')
}

/**
 * The name of a credential that is given by its name or its ARN. In a secret's ARN, Secrets Manager adds a hyphen and six
 * characters to the name: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
 */
export const credentialName = (id: string) =>
  /^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(.+)-\w{6}$/.exec(id)?.[1] ??
  /^arn:[^:]+:ssm:[^:]*:[^:]*:parameter(\/.+)$/.exec(id)?.[1] ??
  id

/** A text with every run of white space made one space. */
export const oneLineOf = (text: string) => text.replaceAll(/\s+/g, ' ').trim()
