/** Codes of Node's errors, as every driver passes them on: no way to the server, and a server that is not trusted. */
export const unreachable = /^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|ETIMEDOUT|EPIPE|EADDRNOTAVAIL)/
export const untrusted = /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_)/
