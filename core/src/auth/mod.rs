//! Who the client is: SPNEGO (MS-SPNG) and NTLM (MS-NLMP).
