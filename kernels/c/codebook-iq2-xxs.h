/* Made by kernels/tables/generate.ts from kernels/tables/codebooks.ts; edit those. */
enum { ENTRY_LENGTH = 8, LEVEL_BITS = 2, RADIX = 3, ENTRIES = 256 };
static const float MAGNITUDES[4] = {1.000f, 3.125f, 5.375f, 0.000f};
static const uint16_t CODES[256] = {
    0x0000, 0x0002, 0x0005, 0x0008, 0x000a, 0x0011, 0x0014, 0x0020, 0x0022, 0x0028, 0x002a, 0x0041,
    0x0044, 0x0050, 0x0058, 0x0061, 0x0064, 0x0080, 0x0082, 0x008a, 0x00a2, 0x0101, 0x0104, 0x0110,
    0x0115, 0x0140, 0x0184, 0x0198, 0x0200, 0x0202, 0x0222, 0x0282, 0x0401, 0x0404, 0x0410, 0x0421,
    0x0424, 0x0440, 0x0442, 0x0448, 0x0460, 0x0481, 0x0484, 0x0490, 0x04a4, 0x0500, 0x0502, 0x0508,
    0x0520, 0x0546, 0x0569, 0x0580, 0x0591, 0x0609, 0x0610, 0x0640, 0x0684, 0x06a4, 0x0800, 0x0805,
    0x0808, 0x0814, 0x0828, 0x0841, 0x0844, 0x0850, 0x0852, 0x0888, 0x0904, 0x0940, 0x0a02, 0x0a14,
    0x1001, 0x1004, 0x1010, 0x1021, 0x1040, 0x1060, 0x1084, 0x1090, 0x1095, 0x1100, 0x1108, 0x1120,
    0x1150, 0x115a, 0x1180, 0x1224, 0x1245, 0x1400, 0x1408, 0x1420, 0x1425, 0x1449, 0x1480, 0x1518,
    0x1562, 0x1600, 0x1616, 0x1801, 0x1804, 0x1810, 0x1840, 0x1881, 0x1900, 0x1905, 0x19a0, 0x1a51,
    0x2000, 0x2002, 0x200a, 0x2044, 0x2061, 0x2080, 0x2082, 0x2129, 0x2148, 0x2200, 0x2202, 0x2401,
    0x2404, 0x2410, 0x2440, 0x2456, 0x2500, 0x2541, 0x2564, 0x2690, 0x2808, 0x2820, 0x2894, 0x2a44,
    0x4001, 0x4004, 0x4010, 0x4018, 0x4021, 0x4024, 0x4040, 0x4048, 0x4056, 0x4060, 0x4081, 0x4084,
    0x4090, 0x4100, 0x4120, 0x4161, 0x4180, 0x4185, 0x4201, 0x4210, 0x4248, 0x4256, 0x4268, 0x4400,
    0x4408, 0x4420, 0x4480, 0x4499, 0x4512, 0x4524, 0x4600, 0x4801, 0x4804, 0x4810, 0x4840, 0x4845,
    0x4900, 0x4958, 0x4961, 0x4982, 0x4a45, 0x4a90, 0x5000, 0x5008, 0x5011, 0x5019, 0x5020, 0x5080,
    0x5088, 0x5104, 0x5142, 0x51a4, 0x5291, 0x5490, 0x5492, 0x550a, 0x5601, 0x5654, 0x5800, 0x5811,
    0x5819, 0x5864, 0x5940, 0x5a08, 0x6004, 0x6010, 0x6040, 0x6068, 0x6100, 0x6155, 0x6218, 0x6260,
    0x6400, 0x6405, 0x6510, 0x6512, 0x6584, 0x6842, 0x8000, 0x8002, 0x800a, 0x8041, 0x8082, 0x8104,
    0x8118, 0x8140, 0x8211, 0x8401, 0x8404, 0x8410, 0x8415, 0x8440, 0x8460, 0x8500, 0x8546, 0x8594,
    0x8609, 0x8640, 0x8660, 0x8802, 0x8904, 0x8a11, 0x9004, 0x9010, 0x9024, 0x9040, 0x90a1, 0x9116,
    0x9180, 0x9245, 0x9400, 0x9422, 0x9444, 0x9551, 0x9881, 0x9920, 0xa002, 0xa050, 0xa085, 0xa109,
    0xa200, 0xa418, 0xa850, 0xa904,
};

V4_INLINE vi best_entry(vi step[ENTRY_LENGTH][RADIX - 1]) {
  const vi t0 = vi_set(0);
  const vi t1 = step[7][0];
  const vi t2 = step[7][1];
  const vi t3 = step[6][0];
  const vi q11 = step[6][0] + step[7][0];
  const vi t4 = q11;
  const vi q12 = step[6][0] + step[7][1];
  const vi t5 = q12;
  const vi t6 = step[6][1];
  const vi q21 = step[6][1] + step[7][0];
  const vi t7 = q21;
  const vi q22 = step[6][1] + step[7][1];
  const vi t8 = q22;
  const vi t9 = step[3][0];
  const vi t10 = step[3][0] + step[7][0];
  const vi t11 = step[3][0] + step[7][1];
  const vi t12 = step[3][0] + step[6][0];
  const vi t13 = step[3][0] + q11;
  const vi t14 = step[3][0] + q12;
  const vi t15 = step[3][0] + step[6][1];
  const vi t16 = step[3][0] + q21;
  const vi t17 = step[3][1];
  const vi t18 = step[3][1] + step[7][0];
  const vi t19 = step[3][1] + step[7][1];
  const vi t20 = step[3][1] + step[6][0];
  const vi t21 = step[3][1] + q11;
  const vi t22 = step[3][1] + q12;
  const vi t23 = step[3][1] + step[6][1];
  const vi t24 = step[3][1] + q21;
  const vi t25 = step[3][1] + q22;
  const vi t26 = step[2][0];
  const vi t27 = step[2][0] + step[7][0];
  const vi t28 = step[2][0] + step[7][1];
  const vi t29 = step[2][0] + step[6][0];
  const vi t30 = step[2][0] + q11;
  const vi t31 = step[2][0] + q12;
  const vi t32 = step[2][0] + step[6][1];
  const vi t33 = step[2][0] + q21;
  const vi t34 = step[2][0] + q22;
  const vi p11 = step[2][0] + step[3][0];
  const vi t35 = p11;
  const vi t36 = p11 + step[7][0];
  const vi t37 = p11 + step[6][0];
  const vi t38 = p11 + q11;
  const vi t39 = p11 + q12;
  const vi t40 = p11 + step[6][1];
  const vi t41 = p11 + q21;
  const vi t42 = p11 + q22;
  const vi p12 = step[2][0] + step[3][1];
  const vi t43 = p12;
  const vi t44 = p12 + step[7][0];
  const vi t45 = p12 + step[7][1];
  const vi t46 = p12 + step[6][0];
  const vi t47 = p12 + q11;
  const vi t48 = p12 + step[6][1];
  const vi t49 = step[2][1];
  const vi t50 = step[2][1] + step[7][0];
  const vi t51 = step[2][1] + step[6][0];
  const vi t52 = step[2][1] + q11;
  const vi t53 = step[2][1] + q12;
  const vi t54 = step[2][1] + step[6][1];
  const vi p21 = step[2][1] + step[3][0];
  const vi t55 = p21;
  const vi t56 = p21 + step[7][0];
  const vi t57 = p21 + step[7][1];
  const vi t58 = p21 + step[6][0];
  const vi t59 = p21 + q11;
  const vi t60 = p21 + step[6][1];
  const vi t61 = p21 + q21;
  const vi p22 = step[2][1] + step[3][1];
  const vi t62 = p22;
  const vi t63 = p22 + step[6][0];
  const vi t64 = p22 + q11;
  const vi t65 = p22 + q12;
  const vi t66 = vi_min(t1, t3);
  const vi t67 = vi_min(t9, t66);
  const vi t68 = vi_min(t0, t2);
  const vi t69 = vi_min(t6, t17);
  const vi t70 = vi_min(t26, t67);
  const vi t71 = vi_min(t49, t69);
  const vi t72 = vi_min(t68, t71);
  const vi t73 = vi_min(t0, t27);
  const vi t74 = vi_min(t11, t70);
  const vi t75 = vi_min(t18, t50);
  const vi t76 = vi_min(t4, t10);
  const vi t77 = vi_min(t7, t20);
  const vi t78 = vi_min(t15, t43);
  const vi t79 = vi_min(t35, t76);
  const vi t80 = vi_min(t51, t74);
  const vi t81 = vi_min(t55, t75);
  const vi t82 = vi_min(t5, t77);
  const vi t83 = vi_min(t12, t14);
  const vi t84 = vi_min(t21, t79);
  const vi t85 = vi_min(t23, t72);
  const vi t86 = vi_min(t28, t47);
  const vi t87 = vi_min(t29, t42);
  const vi t88 = vi_min(t33, t56);
  const vi t89 = vi_min(t61, t73);
  const vi t90 = vi_min(t80, t81);
  vi best = vi_min(vi_min(vi_min(t16, vi_min(t27, t31)), vi_min(t44, vi_min(t46, t52))), vi_min(vi_min(t58, vi_min(t83, t84)), vi_min(t85, vi_min(t87, t88))));
  best = vi_min(best, vi_min(vi_min(t8, t19), vi_min(t62, t85)) + step[0][1]);
  const vi r11 = step[0][0] + step[1][0];
  best = vi_min(best, vi_min(t0, vi_min(t25, t46)) + r11);
  best = vi_min(best, vi_min(t49, vi_min(t84, t89)) + step[1][1]);
  const vi r22 = step[0][1] + step[1][1];
  best = vi_min(best, t72 + vi_min(r22, step[0][0] + step[5][0]));
  best = vi_min(best, vi_min(vi_min(t30, t60), vi_min(t65, t90)) + step[0][0]);
  best = vi_min(best, vi_min(vi_min(t15, t53), vi_min(t70, vi_min(t81, t82))) + step[1][0]);
  best = vi_min(best, vi_min(t0, t56) + step[0][0] + step[4][0]);
  best = vi_min(best, vi_min(vi_min(t4, t17), vi_min(t64, t68)) + step[1][0] + step[4][0]);
  best = vi_min(best, vi_min(vi_min(t22, t37), vi_min(t75, vi_min(t77, t80))) + step[4][0]);
  best = vi_min(best, vi_min(t18, vi_min(t26, t41)) + r11 + step[4][0]);
  best = vi_min(best, vi_min(t3, vi_min(t28, t78)) + step[1][1] + step[4][0]);
  best = vi_min(best, vi_min(t6, vi_min(t8, t89)) + step[4][1]);
  best = vi_min(best, vi_min(t0, t71) + vi_min(step[0][1] + step[4][1], step[1][1] + step[5][1]));
  best = vi_min(best, vi_min(t14, vi_min(t62, t72)) + step[1][0] + step[5][0]);
  best = vi_min(best, vi_min(vi_min(t32, vi_min(t57, t78)), vi_min(t82, vi_min(t86, t90))) + step[5][0]);
  best = vi_min(best, vi_min(t9, vi_min(t47, t53)) + step[0][1] + step[5][0]);
  best = vi_min(best, vi_min(t34, t67) + step[1][1] + step[5][0]);
  const vi s11 = step[4][0] + step[5][0];
  best = vi_min(best, vi_min(t33, t72) + s11);
  best = vi_min(best, vi_min(t33, vi_min(t58, t73)) + step[0][1] + s11);
  best = vi_min(best, vi_min(t0, t29) + step[1][1] + s11);
  const vi r21 = step[0][1] + step[1][0];
  best = vi_min(best, vi_min(t9, t11) + r21 + s11);
  const vi r12 = step[0][0] + step[1][1];
  best = vi_min(best, t55 + r12 + s11);
  best = vi_min(best, vi_min(t39, t78) + step[0][0] + s11);
  const vi s21 = step[4][1] + step[5][0];
  best = vi_min(best, t68 + r12 + s21);
  best = vi_min(best, vi_min(t48, vi_min(t57, t74)) + s21);
  best = vi_min(best, vi_min(t17, vi_min(t38, t62)) + step[1][0] + s21);
  best = vi_min(best, vi_min(vi_min(t12, t54), vi_min(t73, vi_min(t79, t87))) + step[5][1]);
  best = vi_min(best, vi_min(t0, t10) + r11 + step[5][1]);
  best = vi_min(best, vi_min(t48, vi_min(t59, t70)) + step[1][0] + step[5][1]);
  best = vi_min(best, vi_min(vi_min(t20, t22), vi_min(t30, t67)) + step[0][0] + step[5][1]);
  best = vi_min(best, vi_min(t2, vi_min(t16, t35)) + step[0][1] + step[5][1]);
  const vi s12 = step[4][0] + step[5][1];
  best = vi_min(best, vi_min(t8, t68) + step[1][0] + s12);
  best = vi_min(best, vi_min(vi_min(t13, t53), vi_min(t63, t67)) + s12);
  const vi s22 = step[4][1] + step[5][1];
  best = vi_min(best, t0 + step[0][1] + s22);
  best = vi_min(best, vi_min(t15, t26) + step[1][0] + s22);
  best = vi_min(best, t37 + r22 + step[4][0]);
  best = vi_min(best, t51 + step[1][0] + step[4][1]);
  best = vi_min(best, t83 + r11 + step[4][1]);
  best = vi_min(best, vi_min(t7, vi_min(t28, t51)) + r11 + step[5][0]);
  best = vi_min(best, vi_min(t12, t44) + r12 + step[5][0]);
  best = vi_min(best, t29 + r21 + s21);
  best = vi_min(best, t3 + r11 + s12);
  best = vi_min(best, vi_min(t28, t37) + step[0][0] + s22);
  best = vi_min(best, vi_min(t8, t54) + r12 + step[4][0]);
  best = vi_min(best, t40 + r21 + step[5][0]);
  best = vi_min(best, vi_min(vi_min(t24, t45), vi_min(t50, t60)) + step[1][0] + s11);
  best = vi_min(best, t36 + vi_min(r21, vi_min(r21 + step[4][1], step[1][1] + s12)));
  best = vi_min(best, vi_min(t1, t86) + step[0][0] + step[4][1]);
  best = vi_min(best, vi_min(t10, t88) + step[1][1] + step[4][1]);
  best = vi_min(best, t56 + step[0][0] + s12);
  best = vi_min(best, t18 + step[0][1] + s12);
  best = vi_min(best, t10 + r11 + s22);
  best = vi_min(best, t44 + s22);
  best = vi_min(best, t30 + vi_min(r12, r12 + step[5][1]));
  best = vi_min(best, t13 + step[0][1] + step[4][0]);
  best = vi_min(best, t4 + vi_min(r22 + s11, vi_min(step[0][0] + s21, step[1][1] + s22)));
  best = vi_min(best, t31 + r21 + step[4][0]);
  return best;
}
