/** Whether the id of a version can be the token of a rotation by Keyturn, and so the name of its execution. */
export const isToken = (text: string) => /^[\w-]{32,64}$/.test(text)
